// SPDX-License-Identifier: Apache-2.0
#include "raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "onward/flex/flex_codec.h"
#include "onward/function.h"
#include "onward/value.h"
#include "wire.h"

namespace onward::testing_support {
namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kAlignment = 8;

template <class Number>
Number get(std::string_view from, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    number |= std::uint64_t{static_cast<unsigned char>(from[at + i])} << (8 * i);
  return static_cast<Number>(number);
}

RawHeader header_of(std::string_view bytes) {
  return {.body_bytes = get<std::uint32_t>(bytes, 0),
          .kind = get<std::uint8_t>(bytes, 4),
          .codec = get<std::uint8_t>(bytes, 5),
          .segment_count = get<std::uint8_t>(bytes, 6),
          .flags = get<std::uint8_t>(bytes, 7),
          .call_id = get<std::uint64_t>(bytes, 8),
          .function_id = get<std::uint64_t>(bytes, 16),
          .timeout_ms = get<std::uint32_t>(bytes, 24),
          .signature = get<std::uint32_t>(bytes, 28)};
}

int connect_tcp(const std::string& rest) {
  const std::size_t colon = rest.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(rest.substr(colon + 1))));
  ::inet_pton(AF_INET, rest.substr(0, colon).c_str(), &address.sin_addr);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
  return descriptor;
}

int connect_to(const std::string& url) {
  const std::size_t end = url.find("://");
  return url.starts_with("tcp") ? connect_tcp(url.substr(end + 3)) : connect_unix(url.substr(end + 3));
}

}  // namespace

std::string raw_hello(const std::string& node, std::uint16_t protocol_min, std::uint16_t protocol_max) {
  const wire::Hello hello{.protocol_min = protocol_min,
                          .protocol_max = protocol_max,
                          .node = node,
                          .software = "a raw socket",
                          .max_body_bytes = 64U << 20,
                          .max_message_bytes = std::uint64_t{1} << 30,
                          .codecs = {{.id = kRawFlex, .name = "flex"}}};
  return raw_frame({.kind = kRawHello, .function_id = kRawMagic}, wire::encode_hello(hello).payload.body.text());
}

namespace {

// A frame with what `write` writes in flex.
std::string flex_frame(const RawHeader& header, FunctionRef<void(Encoder&)> write) {
  Payload payload;
  if (const Status encoded = make_flex_codec()->encode(write, payload); !encoded.ok()) throw RpcError(encoded);
  std::vector<std::string> segments;
  for (const Buffer& segment : payload.segments) segments.emplace_back(segment.text());
  return raw_frame(header, payload.body.text(), segments);
}

}  // namespace

std::string raw_call(std::uint64_t call_id, std::string_view function, FunctionRef<void(Encoder&)> write) {
  return flex_frame({.kind = kRawRequest, .codec = kRawFlex, .call_id = call_id, .function_id = function_id(function)},
                    write);
}

std::string raw_answer(std::uint64_t call_id, std::string_view text) {
  return raw_result(call_id, [&](Encoder& encoder) { encoder.string(text); });
}

std::string raw_result(std::uint64_t call_id, FunctionRef<void(Encoder&)> write) {
  return flex_frame({.kind = kRawResponse, .codec = kRawFlex, .call_id = call_id}, write);
}

std::string raw_unimplemented(std::uint64_t call_id) {
  const Message message = wire::encode_error(call_id, Status(StatusCode::kUnimplemented, ""));
  return raw_frame({.kind = kRawError, .call_id = call_id}, message.payload.body.text());
}

std::string raw_goaway(const std::string& message) {
  return raw_frame({.kind = kRawGoaway},
                   wire::encode_goaway(Status(StatusCode::kUnavailable, message)).payload.body.text());
}

std::string raw_echo(std::uint64_t call_id, std::string_view text) {
  return raw_call(call_id, "probe.echo", [&](Encoder& encoder) {
    encoder.begin_sequence(1);
    encoder.string(text);
    encoder.end_sequence();
  });
}

Status raw_error(const RawFrame& frame) {
  if (frame.header.kind != kRawError) return {};
  const auto error = wire::decode_error(std::as_bytes(std::span(frame.body)));
  return error ? error->status : error.error();
}

RawPeer::RawPeer(const std::string& url) : RawPeer(connect_to(url)) {}
RawPeer::RawPeer(int descriptor) : descriptor_(descriptor) {}
RawPeer::RawPeer(RawPeer&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), received_(std::move(other.received_)) {}
RawPeer::~RawPeer() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool RawPeer::poll_for(short events, std::chrono::milliseconds patience) const {
  pollfd poll{.fd = descriptor_, .events = events, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) > 0;
}

bool RawPeer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN || !poll_for(POLLOUT, kPatience)) {
      return false;
    }
  }
  return true;
}

std::size_t RawPeer::send_some(std::string_view bytes) {
  const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

bool RawPeer::wait_for_room(std::chrono::milliseconds patience) const {
  pollfd poll{.fd = descriptor_, .events = POLLOUT, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) > 0 && poll.revents == POLLOUT;
}

void RawPeer::end_output() { ::shutdown(descriptor_, SHUT_WR); }

bool RawPeer::receive_more(std::chrono::milliseconds patience) {
  if (!poll_for(POLLIN, patience)) return false;
  std::array<char, 65536> bytes;
  const ssize_t got = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  if (got > 0) received_.append(bytes.data(), static_cast<std::size_t>(got));
  return got > 0;
}

std::optional<RawFrame> RawPeer::read_frame() {
  const auto need = [&](std::size_t bytes) {
    while (received_.size() < bytes) {
      if (!receive_more(kPatience)) return false;
    }
    return true;
  };
  if (!need(kHeaderBytes)) return std::nullopt;
  const RawHeader header = header_of(received_);
  std::size_t begin = kHeaderBytes + std::size_t{header.segment_count} * 8;
  if (!need(begin)) return std::nullopt;
  std::size_t bytes = begin + header.body_bytes;
  for (std::size_t i = 0; i < header.segment_count; ++i) bytes += get<std::uint64_t>(received_, kHeaderBytes + 8 * i);
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (!need(bytes)) return std::nullopt;
  RawFrame frame{.header = header, .body = received_.substr(begin, header.body_bytes)};
  received_.erase(0, bytes);
  return frame;
}

bool RawPeer::wait_for_close(std::chrono::milliseconds patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !poll_for(POLLIN, left)) return false;
    received_.clear();
    if (!receive_more(left)) return true;
  }
}

bool RawPeer::is_closed() {
  while (poll_for(POLLIN, std::chrono::milliseconds(0))) {
    received_.clear();
    if (!receive_more(std::chrono::milliseconds(0))) return true;
  }
  return false;
}

RawListener::RawListener() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("bind");
  if (::listen(descriptor_, SOMAXCONN) != 0) fail("listen");
  if (::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("getsockname");
  url_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

RawListener::~RawListener() { ::close(descriptor_); }

RawPeer RawListener::accept() const {
  pollfd poll{.fd = descriptor_, .events = POLLIN, .revents = 0};
  if (::poll(&poll, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) fail("accept");
  return RawPeer(::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace onward::testing_support
