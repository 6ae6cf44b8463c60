// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "transport_conformance.h"

namespace onward::testing_support {
namespace {

constexpr std::uint64_t kStep = 0x9E37'79B9'7F4A'7C15ULL;

std::uint64_t word(std::uint64_t seed, std::size_t index) {
  const std::uint64_t mixed = (seed + 1) * kStep + index * 0xBF58'476D'1CE4'E5B9ULL;
  return mixed ^ (mixed >> 29U);
}

std::uint64_t segment_seed(std::uint64_t id, std::size_t index) { return id * 257 + index + 1; }

}  // namespace

thread_local int CallGuard::depth_ = 0;

bool run_until(EventLoop& loop, const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  // Wakes a loop that would sleep for ever, so that the test fails instead of hanging.
  Timer tick(loop, [&tick] { tick.arm(std::chrono::milliseconds(50)); });
  tick.arm(std::chrono::milliseconds(50));
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    // Under a clock that stands still the timer above wakes nobody.
    loop.run_once(&loop.clock() == &Clock::steady());
  }
  return true;
}

void run_until_quiet(EventLoop& loop) {
  for (int quiet = 0; quiet < 20; ++quiet) {
    if (loop.run_once(false)) quiet = 0;
  }
}

Buffer patterned(std::size_t bytes, std::uint64_t seed) {
  Buffer buffer = Buffer::allocate(bytes);
  std::byte* to = buffer.mutable_data();
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t value = word(seed, at);
    std::memcpy(to + at, &value, std::min(sizeof value, bytes - at));
  }
  return buffer;
}

std::string pattern_error(std::span<const std::byte> bytes, std::uint64_t seed) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t value = word(seed, at);
    if (std::memcmp(bytes.data() + at, &value, std::min(sizeof value, bytes.size() - at)) != 0) {
      return "bytes differ at " + std::to_string(at) + " of " + std::to_string(bytes.size());
    }
  }
  return {};
}

Message make_message(std::uint64_t id, std::size_t body_bytes, const std::vector<std::size_t>& segments) {
  Message message;
  message.header.kind = MessageKind::kRequest;
  message.header.call_id = id;
  message.payload.body = patterned(body_bytes, id);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    message.payload.segments.push_back(patterned(segments[i], segment_seed(id, i)));
  }
  return message;
}

std::string message_error(const InboundMessage& message, std::uint64_t id, std::size_t body_bytes,
                          const std::vector<std::size_t>& segments) {
  if (message.header.call_id != id) {
    return "message " + std::to_string(message.header.call_id) + " instead of " + std::to_string(id);
  }
  if (message.body.size() != body_bytes || message.header.body_bytes != body_bytes) {
    return "a body of " + std::to_string(message.body.size()) + " bytes instead of " + std::to_string(body_bytes);
  }
  if (message.segments.size() != segments.size() || message.header.segment_count != segments.size()) {
    return std::to_string(message.segments.size()) + " segments instead of " + std::to_string(segments.size());
  }
  if (std::string error = pattern_error(message.body, id); !error.empty()) return error;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Buffer& segment = message.segments[i];
    if (segment.size() != segments[i]) return "a segment of the wrong size";
    if (std::string error = pattern_error(segment.bytes(), segment_seed(id, i)); !error.empty()) {
      return "segment " + std::to_string(i) + ": " + error;
    }
  }
  return {};
}

Message hello() {
  Message message;
  message.header.kind = MessageKind::kHello;
  message.header.function_id = MessageHeader::kMagic;
  message.payload.body = Buffer::copy_of("hello");
  return message;
}

Peer::~Peer() { dispose(); }

void Peer::start() {
  const CallGuard guard;
  started = true;
  connection_->start(*this);
}

void Peer::send(Message message) {
  const CallGuard guard;
  connection_->send(std::move(message));
}

void Peer::close(Status why) {
  const CallGuard guard;
  connection_->close(std::move(why));
}

void Peer::abort(Status why) {
  const CallGuard guard;
  connection_->abort(std::move(why));
}

void Peer::pause() {
  const CallGuard guard;
  connection_->pause();
}

void Peer::resume() {
  const CallGuard guard;
  connection_->resume();
}

void Peer::dispose() {
  if (connection_ == nullptr) return;
  const CallGuard guard;
  disposed_ = true;
  loop_.dispose(std::move(connection_));
}

void Peer::check_callback(const char* which) const {
  if (CallGuard::inside()) ADD_FAILURE() << which << " came from inside a call";
  if (closed > 0) ADD_FAILURE() << which << " came after on_closed";
  if (disposed_) ADD_FAILURE() << which << " came after dispose";
  if (!loop_.in_loop_thread()) ADD_FAILURE() << which << " came from another thread";
}

void Peer::on_message(InboundMessage& message) {
  check_callback("on_message");
  if (message.header.kind == MessageKind::kHello) {
    ++hellos;
    return;
  }
  ++received;
  last_id = message.header.call_id;
  if (message_hook) message_hook(message);
}

void Peer::on_drained() {
  check_callback("on_drained");
  ++drained;
  if (drained_hook) drained_hook();
}

void Peer::on_closed(const Status& why) {
  check_callback("on_closed");
  ++closed;
  reason = why;
  if (closed_hook) closed_hook();
}

void Acceptor::on_accept(std::unique_ptr<Connection> connection) {
  if (CallGuard::inside()) ADD_FAILURE() << "on_accept came from inside a call";
  if (hook) {
    hook(std::move(connection));
  } else {
    accepted.push_back(std::move(connection));
  }
}

TransportConformance::TransportConformance() : transport(GetParam().make(loop, limits)) {}

TransportConformance::~TransportConformance() {
  client.reset();
  server.reset();
  discard_accepted();
  loop.dispose(std::move(listener));
  loop.run_once(false);
}

void TransportConformance::discard_accepted() {
  run_until_quiet(loop);
  for (std::unique_ptr<Connection>& connection : acceptor.accepted) {
    loop.dispose(std::move(connection));
  }
  acceptor.accepted.clear();
}

void TransportConformance::use_limits(const MessageLimits& new_limits) {
  limits = new_limits;
  transport = GetParam().make(loop, limits);
}

void TransportConformance::listen() {
  const CallGuard guard;
  Result<std::unique_ptr<Listener>> result = transport->listen(GetParam().listening_url(), acceptor);
  ASSERT_TRUE(result) << result.error().to_string();
  listener = std::move(*result);
}

std::unique_ptr<Peer> TransportConformance::connect(bool with_hello) {
  const CallGuard guard;
  auto peer = std::make_unique<Peer>(loop);
  Result<std::unique_ptr<Connection>> result = transport->connect(listener->url());
  EXPECT_TRUE(result) << result.error().to_string();
  peer->adopt(std::move(*result));
  if (with_hello) peer->send(hello());
  return peer;
}

std::unique_ptr<Peer> TransportConformance::accept(bool with_hello) {
  EXPECT_TRUE(run_until([this] { return !acceptor.accepted.empty(); }));
  auto peer = std::make_unique<Peer>(loop);
  peer->adopt(std::move(acceptor.accepted.front()));
  acceptor.accepted.erase(acceptor.accepted.begin());
  if (with_hello) peer->send(hello());
  return peer;
}

void TransportConformance::connect_pair() {
  if (listener == nullptr) listen();
  client = connect();
  client->start();
  server = accept();
  server->start();
  ASSERT_TRUE(run_until([this] { return client->hellos == 1 && server->hellos == 1; }));
}

}  // namespace onward::testing_support
