// SPDX-License-Identifier: Apache-2.0
//
// sum [--timeout SECONDS] URL NUMBER NUMBER...: adds numbers at a node that has the module rfc, whose rfc.my_add_2 adds
// two. Numbers are added in pairs, all pairs at once, then the sums in pairs, and so on.
//
// Exit status: 0 done, 1 the node could not do it, 2 wrong usage.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "onward/init_rpc.h"
#include "onward/log.h"

namespace {

using onward::Future;

// A function is known by its name and its type.
const auto kAdd = onward::remote<int(int, int)>("rfc.my_add_2");

struct Wanted {
  std::string url;
  std::vector<int> numbers;
  onward::Duration timeout = std::chrono::seconds(5);
};

// Calls that wait for calls, without a thread for any of them. Fails as the first call that fails.
Future<int> add_up(const onward::Destination& node, std::span<const int> numbers) {
  if (numbers.size() == 1) return Future<int>::of(numbers.front());
  if (numbers.size() == 2) return onward::rpc_async(node, kAdd, numbers[0], numbers[1]);
  const std::size_t half = numbers.size() / 2;
  const std::vector<Future<int>> halves = {add_up(node, numbers.first(half)), add_up(node, numbers.subspan(half))};
  return onward::when_all(halves).then(
      [node](const std::vector<int>& sums) { return onward::rpc_async(node, kAdd, sums[0], sums[1]); });
}

int run(const Wanted& wanted) {
  // How long each call may take; one that takes longer fails with DEADLINE_EXCEEDED.
  const onward::Destination node = onward::to(wanted.url, {.timeout = wanted.timeout});
  try {
    onward::init_rpc({.name = "sum"});
    // A call blocks until its answer is there ...
    const int two = onward::rpc_sync(node, kAdd, wanted.numbers[0], wanted.numbers[1]);
    std::printf("the first two: %d\n", two);
    // ... or gives a Future of it.
    const Future<int> all = add_up(node, wanted.numbers);
    std::printf("all of them: %d\n", all.wait());
  } catch (const onward::RpcError& error) {
    std::fprintf(stderr, "sum: %s\n", error.status().message().c_str());
    if (error.code() == onward::StatusCode::kUnimplemented) {
      std::fprintf(stderr, "sum: the node at %s needs [[modules]] name = \"rfc\" in its configuration\n",
                   wanted.url.c_str());
    }
    return 1;
  }
  return 0;
}

template <class Number>
bool parse(const char* text, Number& number) {
  const char* const end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, number);
  return error == std::errc() && stopped == end;
}

bool parse(std::span<char*> words, Wanted& wanted) {
  double seconds = 0;
  if (words.size() >= 2 && std::strcmp(words[0], "--timeout") == 0) {
    if (!parse(words[1], seconds) || !(seconds > 0 && seconds < 1e6)) return false;
    wanted.timeout = std::chrono::duration_cast<onward::Duration>(std::chrono::duration<double>(seconds));
    words = words.subspan(2);
  }
  if (words.size() < 3) return false;
  wanted.url = words[0];
  for (const char* word : words.subspan(1)) {
    if (!parse(word, wanted.numbers.emplace_back())) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  if (!parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), wanted)) {
    std::fprintf(stderr, "usage: sum [--timeout SECONDS] URL NUMBER NUMBER...\n");
    return 2;
  }
  onward::set_log_level(onward::LogLevel::kError);
  const int exit_code = run(wanted);
  onward::shutdown();
  return exit_code;
}
