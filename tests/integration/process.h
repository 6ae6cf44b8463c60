// SPDX-License-Identifier: Apache-2.0
//
// A child process as a test sees it: what it prints, line by line as it comes, and how it ends. Every
// wait is for an event and bounded by kPatience; nothing sleeps.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "onward/sanitizers.h"

namespace onward::testing_support {

// Throws what errno says.
[[noreturn]] void fail(const char* what);

// How long a test waits for what should happen at once: a bound for broken code, not a measurement.
inline constexpr std::chrono::seconds kPatience{kSanitized ? 90 : 30};
// Large counts are divided by this: a sanitizer slows down and fills memory.
inline constexpr int kScale = kSanitized ? 10 : 1;

// How a process has ended.
struct Ending {
  int code = -1;   // of exit(); -1 when a signal ended it
  int signal = 0;  // 0 when it ended by itself
  [[nodiscard]] std::string to_string() const;
};

class Process {
 public:
  enum class Stream : std::uint8_t { kOutput, kError };

  struct Options {
    // Where standard error is kept, for people; empty: nowhere.
    std::filesystem::path log_file = {};
    // Standard descriptors that the child begins without.
    std::vector<int> without = {};
  };

  // Starts `command`, looked up as execvp() does. The child gets SIGKILL when the thread that calls this ends:
  // call it from the test's own thread. Throws std::system_error when the system has no process left;
  // a program that cannot be run ends with code 127.
  explicit Process(std::vector<std::string> command) : Process(std::move(command), Options()) {}
  Process(std::vector<std::string> command, Options options);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t id() const noexcept { return id_; }
  // To this process only; nothing once it has been reaped.
  void send_signal(int number) const noexcept;
  // Stops all its threads until SIGCONT; returns when none of them runs any more.
  void freeze() const;
  // Waits for its end and reaps it; nothing if it runs on after `patience`. Again and again the same.
  std::optional<Ending> wait_for_end(std::chrono::milliseconds patience = kPatience);
  // SIGKILL, and the end of it.
  void kill();

  // The first line of `stream` from number `from` on that contains `text`; nothing when the stream ends, or
  // `patience` does, without one.
  std::optional<std::string> wait_for_line(Stream stream, std::string_view text, std::size_t from = 0,
                                           std::chrono::milliseconds patience = kPatience);
  // Until the stream has been closed: everything that was printed is in lines(). False after kPatience.
  bool wait_for_close(Stream stream);
  // What has come so far.
  [[nodiscard]] std::vector<std::string> lines(Stream stream) const;
  [[nodiscard]] std::string text(Stream stream) const;
  [[nodiscard]] std::size_t line_count(Stream stream) const;
  // Leaves the stream unread for a while: the pipe fills.
  void pause_reading(Stream stream);
  void resume_reading(Stream stream);
  // Stops reading the stream and closes the test's end of the pipe: the child's next write to it fails.
  void stop_reading(Stream stream);

  // Memory that the process has in RAM now, in bytes; 0 if it has ended.
  [[nodiscard]] std::size_t resident_bytes() const;

 private:
  struct Pipe {
    int descriptor = -1;
    std::string partial;  // an unfinished line
    std::vector<std::string> lines;
    bool closed = false;
    bool paused = false;
    bool unwanted = false;
  };

  void read_all();
  // Lock held. Makes read_all() look at the pipes anew.
  void wake();
  // Lock held. False when the pipe has ended.
  bool read_some(Pipe& pipe, bool log);
  Pipe& pipe(Stream stream) { return pipes_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] const Pipe& pipe(Stream stream) const { return pipes_[static_cast<std::size_t>(stream)]; }

  pid_t id_ = -1;
  std::optional<Ending> ending_;
  std::ofstream log_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Pipe, 2> pipes_;
  int wake_descriptor_ = -1;
  std::thread reader_;
};

}  // namespace onward::testing_support
