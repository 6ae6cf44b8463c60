// SPDX-License-Identifier: Apache-2.0
//
// A program that has one command of each kind, and says what it was told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command_line/command.h"

namespace onward {

struct Told {
  std::string file;
  bool quick = false;
  bool quiet = false;
  bool reference = false;
  int times = 3;
  Duration patience = std::chrono::seconds(30);
  std::string color = "red";
  std::vector<std::string> tags;
  std::string url;
  std::string function;
  std::vector<std::string> rest;
  std::string topic;
  std::string called_as;
};

// tool work --file FILE [OPTIONS] FOLDER, tool call URL FUNCTION [ARGUMENT…], tool list URL [FUNCTION],
// tool group one NAME…, tool group two, tool about [COMMAND]
inline Command test_program(Told& told, const std::string& name = "tool") {
  const auto run = [&told](const Invocation& called) {
    told.called_as = called.called_as;
    return 0;
  };
  Command work{.name = "work", .summary = "work on a folder", .run = run};
  work.prose.description = "Works. `{program} work` is how.";
  work.option("--file", "FILE", told.file, "what to work by").file("*.toml").required_unless("--reference");
  work.flag("--reference", told.reference, "print what there is");
  work.flag("--quick", told.quick, "less thorough").excludes({"--quiet"});
  work.flag("--quiet", told.quiet, "say nothing");
  work.option("--times", "N", told.times, "so often").range(1, 9).from_variable("ONWARD_TEST_TIMES");
  work.option("--patience", "SECONDS", told.patience, "how long");
  work.option("--color", "COLOR", told.color, "of what is shown").one_of({"red", "green"});
  work.option("--tag", "TAG", told.tags, "what to call it");
  work.argument("FOLDER", told.url, "where").folder().optional();

  Command call{.name = "call", .summary = "call a function", .arguments_end_options = true, .run = run};
  call.flag("--quiet", told.quiet, "say nothing");
  call.option("--times", "N", told.times, "so often").range(1, 9);
  call.argument("URL", told.url, "of whom").peer_url();
  call.argument("FUNCTION", told.function, "of it").function();
  call.argument("ARGUMENT", told.rest, "what with").optional();

  Command list{.name = "list", .summary = "list functions", .run = run};
  list.flag("--names", told.quick, "names alone");
  list.option("--timeout", "SECONDS", told.patience, "how long");
  list.argument("URL", told.url, "of whom").peer_url();
  list.argument("FUNCTION", told.function, "of it").function().optional();

  Command one{.name = "one", .summary = "do one thing", .run = run};
  one.option("--times", "N", told.times, "so often");
  one.argument("NAME", told.rest, "of whom");
  Command two{.name = "two", .summary = "do another", .run = run};
  Command group{.name = "group", .summary = "do things", .commands = {one, two}};

  Command about{.name = "about", .summary = "tell about a command", .run = run};
  about.argument("COMMAND", told.topic, "which").command().optional();

  Command program{.name = name, .summary = "for tests", .commands = {work, call, list, group, about}};
  complete_declarations(program);
  return program;
}

}  // namespace onward
