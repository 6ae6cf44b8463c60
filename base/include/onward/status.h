// SPDX-License-Identifier: Apache-2.0
//
// Errors as values. A bug in Onward aborts; everything that a peer, a user or the environment can
// cause is a Status. The codes are gRPC's canonical codes with the same numbers
// (https://grpc.io/docs/guides/status-codes), so that they can be mapped without a table.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <expected>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onward/export.h"

namespace onward {

class Buffer;

enum class StatusCode : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// The canonical upper-case name, "DEADLINE_EXCEEDED"; "UNKNOWN" for a value out of range.
[[nodiscard]] ONWARD_API std::string_view to_string(StatusCode code) noexcept;

// One line of a remote traceback: where an error passed through.
struct Hop {
  std::string node;      // the name of the node that reports
  std::string function;  // the function that it ran or called; empty where there is none
  std::string message;   // what that node adds, with_hop_message(); may be empty

  friend bool operator==(const Hop&, const Hop&) = default;
};

// An outcome: OK, or a code with a message, the exception type that it came from, a typed detail, and the trail
// of hops, innermost first. All of it survives any number of hops, over any codecs. Immutable, one pointer wide, OK is
// the null pointer: copying an error is one atomic increment, so it may be handed to any number of callbacks.
// Thread-safe as a value.
class [[nodiscard]] ONWARD_API Status {
 public:
  Status() noexcept = default;
  // A code of kOk gives OK and drops the message.
  Status(StatusCode code, std::string message);
  Status(const Status& other) noexcept;
  Status(Status&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}
  Status& operator=(Status other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~Status();

  [[nodiscard]] bool ok() const noexcept { return rep_ == nullptr; }
  [[nodiscard]] StatusCode code() const noexcept;
  [[nodiscard]] const std::string& message() const noexcept;

  // The type name of the exception that this was made from ("std::out_of_range"), else empty. It
  // survives any number of hops.
  [[nodiscard]] const std::string& type() const noexcept;
  [[nodiscard]] const std::vector<Hop>& trail() const noexcept;

  // Copies with one thing changed; on OK they return OK.
  [[nodiscard]] Status with_message(std::string message) const;
  [[nodiscard]] Status with_type(std::string type) const;
  // Adds a hop at the outer end. A trail holds at most kMaxHops; later ones are dropped.
  [[nodiscard]] Status with_hop(Hop hop) const;
  // What this node was about when the error came to it: "while reserving seats". Becomes the message of the hop
  // that this node adds when it passes the error on. A second one goes in front of the first: "outer: inner".
  [[nodiscard]] Status with_hop_message(std::string_view message) const;
  [[nodiscard]] const std::string& hop_message() const noexcept;  // not yet in a hop

  // A value of any type that can be an argument, for the caller's program to read: with_detail(SeatsTaken{…}).
  // One that is larger than kMaxDetailBytes as it is written, or cannot be written, is left out, and the message
  // says so. Defined in onward/error_detail.h; onward/rpc.h has it.
  template <class T>
  [[nodiscard]] Status with_detail(const T& value) const;
  // The detail, if there is one and it is a T: of the type that signatures describe as T is. DynamicValue is
  // any type. Nothing else, and nothing where a peer has sent bytes that cannot be read.
  template <class T>
  [[nodiscard]] std::optional<T> detail() const;
  // How signatures describe its type, "SeatsTaken", "list<string>"; empty if there is no detail.
  [[nodiscard]] const std::string& detail_type() const noexcept;
  // One FlexBuffers value, as it came and not verified; empty if there is no detail.
  [[nodiscard]] const Buffer& detail_bytes() const noexcept;
  // The two as they are; too many bytes, or none, are left out as in with_detail().
  [[nodiscard]] Status with_encoded_detail(std::string type, Buffer bytes) const;
  // Says in the message that, and why, the detail of `type` is not there: "70000 bytes are more than …".
  [[nodiscard]] Status without_detail(std::string_view type, std::string_view why) const;

  // "UNAVAILABLE: connection refused [std::system_error]", then indented lines: the detail, where the program
  // has the codec flex (`detail SeatsTaken: {"left": 2}`), and one a hop.
  [[nodiscard]] std::string to_string() const;

  static constexpr std::size_t kMaxHops = 64;
  static constexpr std::size_t kMaxDetailBytes = 64 << 10;

  // Unless it is OK, throws the registered exception that it came from (onward/exception.h), else RpcError.
  void throw_if_error() const;

 private:
  struct Rep;
  static void release(Rep* rep) noexcept;
  template <class Change>
  [[nodiscard]] Status changed(Change change) const;
  Rep* rep_ = nullptr;
};

template <class T>
using Result = std::expected<T, Status>;

// `return fail(StatusCode::kNotFound, "…");` from a function that returns a Result.
[[nodiscard]] inline std::unexpected<Status> fail(StatusCode code, std::string message) {
  return std::unexpected<Status>(Status(code, std::move(message)));
}

// What Onward throws at its users, but where an error came from an exception whose type is registered
// (onward/exception.h): then that is thrown. what() is status().to_string().
class ONWARD_API RpcError : public std::runtime_error {
 public:
  explicit RpcError(Status status) : std::runtime_error(status.to_string()), status_(std::move(status)) {}
  RpcError(StatusCode code, std::string message) : RpcError(Status(code, std::move(message))) {}

  [[nodiscard]] const Status& status() const noexcept { return status_; }
  [[nodiscard]] StatusCode code() const noexcept { return status_.code(); }

 private:
  Status status_;
};

// As throw_if_error(), of an error; INTERNAL for a status of OK.
[[noreturn]] ONWARD_API void throw_error(const Status& error);

// The one place where user exceptions become values. An RpcError gives its own status, and so does a registered
// exception that Onward has thrown (exception.h): its code, detail and trail go on. One that user code has thrown
// gives what it is registered with. Any other std::exception gives UNKNOWN with what() and its type name;
// anything else UNKNOWN.
[[nodiscard]] ONWARD_API Status status_from(const std::exception_ptr& error) noexcept;
// The same for the exception being handled; only inside a catch block.
[[nodiscard]] ONWARD_API Status status_from_current_exception() noexcept;

}  // namespace onward
