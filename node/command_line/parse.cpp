// SPDX-License-Identifier: Apache-2.0
//
// CLI11 takes the words apart and knows what is missing; what it complains of is said in our words.
#include "command_line/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "command_line/text.h"
#include "nearest.h"

namespace onward {
namespace {

using Parsed = std::expected<ParsedLine, UsageError>;

class Parser {
 public:
  explicit Parser(const Command& program) : program_(program) { declare(program, app_); }

  Parsed parse(std::vector<std::string> words) {
    rest_ = take_rest(words);
    std::ranges::reverse(words);  // as CLI11 takes them
    using Wanted = ParsedLine::Wanted;
    try {
      app_.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
      find_command();
      if (command_->is_group() && !extras_.empty()) return wrong(wrong_command());
      return done(Wanted::kHelp);
    } catch (const CLI::CallForVersion&) {
      find_command();
      return done(Wanted::kVersion);
    } catch (const CLI::Error& error) {
      find_command();
      return wrong(message_of(error));
    }
    find_command();
    const std::string message = take_values();
    return message.empty() ? done(Wanted::kRun) : wrong(message);
  }

 private:
  void declare(const Command& command, CLI::App& app) {
    for (const CommandOption& option : command.options) declare_option(option, app);
    for (const Command& sub : command.commands) declare(sub, *app.add_subcommand(sub.name, sub.summary));
    if (command.is_group()) app.require_subcommand(1);
    if (command.arguments_end_options) return;  // CLI11 does not get to see those
    for (const CommandOption& argument : command.arguments) declare_option(argument, app);
  }

  void declare_option(const CommandOption& option, CLI::App& app) {
    const std::string names = option.letter == 0 ? option.name : std::string("-") + option.letter + "," + option.name;
    if (option.name == "--help") {
      app.set_help_flag(names, option.description);
      return;
    }
    if (option.name == "--version") {
      app.set_version_flag(names, program_.name);
      return;
    }
    // The values are taken from CLI11 when it has ended.
    CLI::Option* made = option.is_flag() ? app.add_flag(names, option.description)
                                         : app.add_option(names, CLI::callback_t(accept), option.description);
    made->required(option.is_required && option.unless.empty())->envname(option.variable);
    if (!option.is_flag()) made->type_name(option.value_name);
    if (option.repeats()) made->expected(1, kAnyNumber)->allow_extra_args(option.is_argument());
    made_[&option] = made;
  }

  // Off `words`: those from the first argument on of a command whose options end there.
  [[nodiscard]] std::vector<std::string> take_rest(std::vector<std::string>& words) const {
    const Command* command = &program_;
    for (auto word = words.begin(); word != words.end(); ++word) {
      if (word->starts_with('-') && *word != "--") {
        const auto option = std::ranges::find(command->options, *word, &CommandOption::name);
        if (option == command->options.end() || option->is_flag()) continue;
        if (++word == words.end()) return {};
      } else if (command->is_group()) {
        command = command->find(*word);
        if (command == nullptr) return {};
      } else if (command->arguments_end_options) {
        std::vector<std::string> rest(*word == "--" ? word + 1 : word, words.end());
        words.erase(word, words.end());
        return rest;
      }
    }
    return {};
  }

  static bool accept(const CLI::results_t& /*values*/) { return true; }

  // The last command that the line names.
  void find_command() {
    const CLI::App* app = &app_;
    command_ = &program_;
    called_as_ = program_.name;
    while (!app->get_subcommands().empty()) {
      app = app->get_subcommands().front();
      command_ = command_->find(app->get_name());
      called_as_ += " " + command_->name;
    }
    extras_ = app->remaining();
    if (extras_.empty()) extras_ = app_.remaining(true);
    std::erase(extras_, "--");
  }

  // Of the command that was found.
  std::string take_values() {
    for (const CommandOption& option : command_->options) {
      const auto made = made_.find(&option);
      if (made == made_.end() || made->second->count() == 0) continue;
      const std::vector<std::string>& values = made->second->results();
      if (option.is_flag() && values.back() != "true") return option.name + " takes no value";
      for (const CommandOption& other : command_->options) {
        const bool is_excluded = std::ranges::find(option.excluded, other.name) != option.excluded.end();
        if (is_excluded && made_.at(&other)->count() > 0) return option.name + " cannot be given with " + other.name;
      }
      if (std::string message = option.set(values); !message.empty()) return message;
    }
    if (std::ranges::any_of(command_->options, [this](const CommandOption& option) { return is_missing(option); })) {
      return missing();
    }
    auto next = rest_.begin();
    for (const CommandOption& argument : command_->arguments) {
      if (std::string message = take_argument(argument, next); !message.empty()) return message;
    }
    return next == rest_.end() ? "" : too_many(*next);
  }

  // From CLI11, or from `next` on.
  std::string take_argument(const CommandOption& argument, std::vector<std::string>::iterator& next) {
    if (const auto made = made_.find(&argument); made != made_.end()) {
      return made->second->count() == 0 ? "" : argument.set(made->second->results());
    }
    if (next == rest_.end()) return argument.is_required ? missing() : "";
    const auto begin = std::exchange(next, argument.repeats() ? rest_.end() : next + 1);
    return argument.set({begin, next});
  }

  [[nodiscard]] std::string message_of(const CLI::Error& error) const {
    if (std::string message = unknown_option(); !message.empty()) return message;
    if (command_->is_group()) return wrong_command();
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return missing();
    if (!extras_.empty()) return too_many(extras_.front());
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
      const std::string text = error.what();  // "--config: …"
      for (const CommandOption& option : command_->options) {
        if (text.starts_with(option.name + ":")) return option.name + " takes one value, " + option.value_name;
      }
    }
    return error.what();
  }

  // If the first word that has no place looks like one.
  [[nodiscard]] std::string unknown_option() const {
    if (extras_.empty() || !extras_.front().starts_with('-') || extras_.front() == "-") return {};
    std::vector<std::string> known;
    known.reserve(command_->options.size());
    for (const CommandOption& option : command_->options) known.push_back(option.name);
    const std::string word = extras_.front().substr(0, extras_.front().find('='));
    if (std::ranges::find(known, word) != known.end()) return "the option " + quoted(word) + " cannot stand there";
    return "there is no option " + quoted(word) + suggest(word, known);
  }

  [[nodiscard]] std::string wrong_command() const {
    const std::vector<std::string> known = command_->command_names();
    if (extras_.empty()) return "it needs a command: " + enumerate(known, "or");
    return "there is no command " + quoted(extras_.front()) + suggest(extras_.front(), known);
  }

  [[nodiscard]] bool is_missing(const CommandOption& option) const {
    if (!option.is_required || made_.at(&option)->count() > 0) return false;
    const auto instead = std::ranges::find(command_->options, option.unless, &CommandOption::name);
    return instead == command_->options.end() || made_.at(&*instead)->count() == 0;
  }

  [[nodiscard]] std::string missing() const {
    std::vector<std::string> terms;
    for (const CommandOption& option : command_->options) {
      if (is_missing(option)) terms.push_back(option.term());
    }
    std::size_t given = rest_.size();
    for (const CommandOption& argument : command_->arguments) {
      const auto made = made_.find(&argument);
      const bool is_there = made == made_.end() ? given > 0 : made->second->count() > 0;
      if (made == made_.end() && given > 0) --given;
      if (argument.is_required && !is_there) terms.push_back(argument.term());
    }
    return "it needs " + enumerate(terms, "and");
  }

  [[nodiscard]] static std::string too_many(const std::string& word) {
    return "the argument " + quoted(word) + " is one too many";
  }

  [[nodiscard]] Parsed done(ParsedLine::Wanted wanted) const {
    return ParsedLine{.wanted = wanted, .command = command_, .called_as = called_as_};
  }
  [[nodiscard]] Parsed wrong(std::string message) const {
    return std::unexpected(UsageError{.called_as = called_as_, .message = std::move(message)});
  }

  static constexpr int kAnyNumber = CLI::detail::expected_max_vector_size;
  const Command& program_;
  CLI::App app_;
  std::map<const CommandOption*, CLI::Option*> made_;
  const Command* command_ = nullptr;
  std::string called_as_;
  std::vector<std::string> extras_;  // what CLI11 had no place for
  std::vector<std::string> rest_;    // what it was not given
};

}  // namespace

std::expected<ParsedLine, UsageError> parse_command_line(const Command& program,
                                                         const std::vector<std::string>& words) {
  return Parser(program).parse(words);
}

}  // namespace onward
