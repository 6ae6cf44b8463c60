// SPDX-License-Identifier: Apache-2.0
//
// The other end of a connection as a bare socket, for what no node would say. Frames are put together byte
// by byte, as docs/WIRE.md has them, and not by the code that is tested.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "onward/codec.h"
#include "onward/testing/raw_frame.h"
#include "process.h"

namespace onward::testing_support {

struct RawFrame {
  RawHeader header;
  std::string body;
};

// What a node of that name says first.
std::string raw_hello(const std::string& node = "raw", std::uint16_t protocol_min = 1, std::uint16_t protocol_max = 1);
// A call with an argument list that `write` writes in flex.
std::string raw_call(std::uint64_t call_id, std::string_view function, FunctionRef<void(Encoder&)> write);
std::string raw_echo(std::uint64_t call_id, std::string_view text);
// An answer that holds a string.
std::string raw_answer(std::uint64_t call_id, std::string_view text);
// An answer that `write` writes in flex.
std::string raw_result(std::uint64_t call_id, FunctionRef<void(Encoder&)> write);
// The answer of a node that has no such function.
std::string raw_unimplemented(std::uint64_t call_id);
std::string raw_goaway(const std::string& message);
// The status that an ERROR frame reports.
Status raw_error(const RawFrame& frame);

class RawPeer {
 public:
  // Connects to a listening node, tcp or unix. Throws std::system_error.
  explicit RawPeer(const std::string& url);
  // Takes a connected socket.
  explicit RawPeer(int descriptor);
  ~RawPeer();
  RawPeer(RawPeer&& other) noexcept;
  RawPeer& operator=(RawPeer&&) = delete;

  // False if the node has closed the connection, or takes nothing for kPatience.
  bool send(std::string_view bytes);
  // Sends until the node takes no more for now, at most all; how much it took.
  std::size_t send_some(std::string_view bytes);
  // False if the node still takes nothing after `patience`, or has closed the connection.
  [[nodiscard]] bool wait_for_room(std::chrono::milliseconds patience) const;
  // No more will be sent; what comes can still be read.
  void end_output();

  // The next frame; nothing when the node closes the connection or sends none for kPatience.
  std::optional<RawFrame> read_frame();
  // Reads on until the node has closed the connection; false if it has not after `patience`.
  bool wait_for_close(std::chrono::milliseconds patience = kPatience);
  // Whether the node has closed the connection by now. Drops what has come.
  bool is_closed();

 private:
  bool poll_for(short events, std::chrono::milliseconds patience) const;
  bool receive_more(std::chrono::milliseconds patience);

  int descriptor_;
  std::string received_;
};

// A listening socket behind which there is no node. 127.0.0.1, any port.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  // The next connection. Throws std::system_error after kPatience.
  [[nodiscard]] RawPeer accept() const;

 private:
  int descriptor_;
  std::string url_;
};

}  // namespace onward::testing_support
