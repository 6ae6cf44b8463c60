// SPDX-License-Identifier: Apache-2.0
#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

namespace onward::testing_support {
namespace {

constexpr int kCannotRun = 127;

struct PipeEnds {
  int read = -1;
  int write = -1;
};

PipeEnds make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  return {ends[0], ends[1]};
}

// In the child: only what is safe between fork and exec in a program with threads.
[[noreturn]] void become(char* const* arguments, int output, int error, const std::vector<int>& without, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotRun);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(error, STDERR_FILENO);
  for (const int descriptor : without) ::close(descriptor);
  ::execvp(arguments[0], arguments);
  constexpr std::string_view kText = "cannot run the program\n";
  static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()));
  ::_exit(kCannotRun);
}

}  // namespace

void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

std::string Ending::to_string() const {
  return signal != 0 ? "ended by signal " + std::to_string(signal) : "ended with code " + std::to_string(code);
}

Process::Process(std::vector<std::string> command, Options options) {
  if (!options.log_file.empty()) log_.open(options.log_file);
  const PipeEnds output = make_pipe();
  const PipeEnds error = make_pipe();
  wake_descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_descriptor_ < 0) fail("eventfd");
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  const pid_t parent = ::getpid();
  id_ = ::fork();
  if (id_ < 0) fail("fork");
  if (id_ == 0) become(arguments.data(), output.write, error.write, options.without, parent);
  ::close(output.write);
  ::close(error.write);
  pipe(Stream::kOutput).descriptor = output.read;
  pipe(Stream::kError).descriptor = error.read;
  reader_ = std::thread([this] { read_all(); });
}

Process::~Process() {
  kill();
  // A grandchild could hold the pipes open.
  stop_reading(Stream::kOutput);
  stop_reading(Stream::kError);
  reader_.join();
  ::close(wake_descriptor_);
}

void Process::send_signal(int number) const noexcept {
  if (!ending_) ::kill(id_, number);
}

void Process::freeze() const {
  send_signal(SIGSTOP);
  siginfo_t unused{};
  // WEXITED, so that the death of one that does not stop is noticed as well.
  if (::waitid(P_PID, static_cast<id_t>(id_), &unused, WSTOPPED | WEXITED | WNOWAIT) != 0) fail("waitid");
}

std::optional<Ending> Process::wait_for_end(std::chrono::milliseconds patience) {
  if (ending_) return ending_;
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
  if (descriptor < 0) fail("pidfd_open");
  pollfd poll{.fd = descriptor, .events = POLLIN, .revents = 0};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int ready = -1;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    ready = ::poll(&poll, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
  } while (ready < 0 && errno == EINTR);
  ::close(descriptor);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(id_, &status, 0) != id_) fail("waitpid");
  ending_ = WIFEXITED(status) ? Ending{.code = WEXITSTATUS(status)} : Ending{.signal = WTERMSIG(status)};
  return ending_;
}

void Process::kill() {
  send_signal(SIGKILL);
  wait_for_end();
}

void Process::read_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::array<pollfd, 3> polls{pollfd{.fd = wake_descriptor_, .events = POLLIN, .revents = 0}};
    for (std::size_t i = 0; i < pipes_.size(); ++i) {
      Pipe& pipe = pipes_[i];
      if (pipe.unwanted && !pipe.closed) {
        ::close(pipe.descriptor);
        pipe.closed = true;
        changed_.notify_all();
      }
      // poll() ignores negative ones.
      polls[i + 1] = {.fd = pipe.closed || pipe.paused ? -1 : pipe.descriptor, .events = POLLIN, .revents = 0};
    }
    if (pipes_[0].closed && pipes_[1].closed) return;
    lock.unlock();
    ::poll(polls.data(), polls.size(), -1);
    lock.lock();
    if (polls[0].revents != 0) {
      std::uint64_t count = 0;
      static_cast<void>(::read(wake_descriptor_, &count, sizeof count));
    }
    for (std::size_t i = 0; i < pipes_.size(); ++i) {
      Pipe& pipe = pipes_[i];
      if (polls[i + 1].revents == 0 || pipe.unwanted || read_some(pipe, i == 1)) continue;
      ::close(pipe.descriptor);
      pipe.closed = true;
      if (!pipe.partial.empty()) pipe.lines.push_back(std::exchange(pipe.partial, {}));
    }
    changed_.notify_all();
  }
}

bool Process::read_some(Pipe& pipe, bool log) {
  std::array<char, 16384> bytes;
  const ssize_t got = ::read(pipe.descriptor, bytes.data(), bytes.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  std::string_view rest(bytes.data(), static_cast<std::size_t>(got));
  if (log && log_.is_open()) log_ << rest << std::flush;
  for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    pipe.partial += rest.substr(0, end);
    pipe.lines.push_back(std::exchange(pipe.partial, {}));
    rest.remove_prefix(end + 1);
  }
  pipe.partial += rest;
  return true;
}

std::optional<std::string> Process::wait_for_line(Stream stream, std::string_view text, std::size_t from,
                                                  std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(mutex_);
  const Pipe& wanted = pipe(stream);
  for (std::size_t next = from;;) {
    for (; next < wanted.lines.size(); ++next) {
      if (wanted.lines[next].find(text) != std::string::npos) return wanted.lines[next];
    }
    if (wanted.closed) return std::nullopt;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

bool Process::wait_for_close(Stream stream) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return pipe(stream).closed; });
}

std::vector<std::string> Process::lines(Stream stream) const {
  const std::lock_guard lock(mutex_);
  return pipe(stream).lines;
}

std::string Process::text(Stream stream) const {
  std::string text;
  for (const std::string& line : lines(stream)) text += line + "\n";
  return text;
}

std::size_t Process::line_count(Stream stream) const {
  const std::lock_guard lock(mutex_);
  return pipe(stream).lines.size();
}

void Process::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_descriptor_, &one, sizeof one));
}

void Process::pause_reading(Stream stream) {
  const std::lock_guard lock(mutex_);
  pipe(stream).paused = true;
  wake();
}

void Process::resume_reading(Stream stream) {
  const std::lock_guard lock(mutex_);
  pipe(stream).paused = false;
  wake();
}

void Process::stop_reading(Stream stream) {
  std::unique_lock lock(mutex_);
  pipe(stream).unwanted = true;
  wake();
  changed_.wait_for(lock, kPatience, [&] { return pipe(stream).closed; });
}

std::size_t Process::resident_bytes() const {
  std::ifstream status("/proc/" + std::to_string(id_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

}  // namespace onward::testing_support
