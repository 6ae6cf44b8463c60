// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <string>

#include "node_core.h"
#include "peers.h"

namespace onward {
namespace {

// What the PING behind a GOAWAY has as its number: "drain".
constexpr std::uint64_t kDrainPing = 0x6E'6961'7264;
// That of the PING behind the last answers: "flush".
constexpr std::uint64_t kFlushPing = 0x68'7375'6C66;

}  // namespace

Link::Link(NodeCore& core, std::unique_ptr<Connection> connection, Peer* dialled, const ListenOptions* listener)
    : core_(core),
      connection_(std::move(connection)),
      peer_(dialled),
      listener_(listener),
      dialled_(dialled != nullptr),
      handshake_timer_(*core.loop,
                       [this] {
                         connection_->abort(Status(
                             StatusCode::kUnavailable,
                             drain_ == Drain::kAsked
                                 ? "no HELLO yet, and the node does not wait for it any more"
                                 : "no HELLO within 10 s: what answers there is no node of Onward, or it hangs"));
                       }),
      description_(connection_->description()) {}

// The connection outlives its own callbacks, from which this may come.
Link::~Link() {
  core_.admission.give_back(load_.held());
  core_.loop->dispose(std::move(connection_));
  if (origin_ != nullptr) origin_->drop_reference();
}

void Link::release() noexcept {
  if (--references_ == 0) delete this;
}

std::string reason_beside(const std::string& who, const std::string& reason) {
  const std::size_t open = who.find(" (");
  const std::string address = open == std::string::npos ? who : who.substr(open + 2, who.size() - open - 3);
  return reason.starts_with(address + ": ") ? reason.substr(address.size() + 2) : reason;
}

std::string Link::describe() const {
  if (!node_.empty()) return node_ + " (" + description_ + ")";
  return peer_ != nullptr && !peer_->expected_name().empty() ? peer_->expected_name() + " (" + description_ + ")"
                                                             : description_;
}

void Link::start() {
  connection_->start(*this);
  handshake_timer_.arm(kHandshakeTimeout);
  wire::Hello hello;
  hello.node = core_.options.name;
  hello.features = wire::kFeatureContext;
  hello.software = std::string("onward ") + kRelease;
  hello.max_body_bytes = core_.options.limits.max_body_bytes;
  hello.max_message_bytes = core_.options.limits.max_message_bytes;
  for (const auto& codec : core_.codecs) {
    if (codec) hello.codecs.push_back({codec->id(), std::string(codec->name())});
  }
  send(wire::encode_hello(hello));
}

void Link::close(const Status& reason) {
  if (state_ == State::kHandshake) {
    connection_->abort(reason);  // who has not spoken yet may never do so
  } else {
    connection_->close(reason);
  }
}

void Link::drain(const Status& reason) {
  if (drain_ != Drain::kNone || state_ == State::kClosed || is_with_itself()) return;
  drain_ = Drain::kAsked;
  // A peer that has not said HELLO may have ours, and have sent requests behind its own.
  // That must stay in front.
  const auto send_now = [this](Message message) {
    state_ == State::kHandshake ? send(std::move(message)) : connection_->send_urgent(std::move(message));
  };
  send_now(wire::encode_goaway(reason));
  send_now(wire::bare(MessageKind::kPing, kDrainPing));
  if (state_ == State::kHandshake && !dialled_) handshake_timer_.arm(kDrainHandshakeTimeout);
}

void Link::ask_for_receipt() {
  if (state_ == State::kHandshake || state_ == State::kClosed || connection_->queued_bytes() == 0) return;
  awaits_receipt_ = true;
  connection_->send(wire::bare(MessageKind::kPing, kFlushPing));
}

void Link::on_pong(std::uint64_t number) {
  if (number == kDrainPing && drain_ == Drain::kAsked) drain_ = Drain::kAcknowledged;
  if (number == kFlushPing) awaits_receipt_ = false;
  core_.check_drained();
}

bool Link::is_with_itself() const {
  return dialled_ ? peer_ != nullptr && peer_->is_this_node() : listener_ == nullptr;
}

void Link::send_cancel(std::uint64_t call_id, std::uint64_t request_end) {
  Message message = wire::bare(MessageKind::kCancel, call_id);
  if (left_bytes() < request_end) return send(std::move(message));
  connection_->send_urgent(std::move(message));
}

std::uint64_t Link::left_bytes() const {
  const std::size_t queued = connection_->queued_bytes();
  return handed_over_ > queued ? handed_over_ - queued : 0;
}

void Link::retire(const Status& reason) {
  if (is_retired() || state_ == State::kClosed) return;
  retirement_ = Retirement::kWaits;
  ++core_.retiring;
  drain(reason);
  core_.check_drained();
}

void Link::close_if_retired() {
  if (retirement_ != Retirement::kWaits || calls != nullptr || requests_in_flight > 0 || drain_ == Drain::kAsked)
    return;
  retirement_ = Retirement::kCloses;
  --core_.retiring;
  close({});
}

Status Link::check_size(const Payload& payload) const {
  const std::uint64_t bytes = payload.size_bytes();
  if (payload.body.size() <= max_body_bytes_ && bytes <= max_message_bytes_) return {};
  return {StatusCode::kResourceExhausted,
          "a message of " + std::to_string(bytes) + " bytes (body " + std::to_string(payload.body.size()) +
              ") is more than the " + std::to_string(max_message_bytes_) + " (body " + std::to_string(max_body_bytes_) +
              ") that the peer accepts; raise its limits, or send large values as Buffer or Tensor"};
}

void Link::on_message(InboundMessage& message) {
  if (state_ == State::kClosed) return;
  const MessageKind kind = message.header.kind;
  if (kind == MessageKind::kRequest && state_ != State::kHandshake) {
    on_request(message);
    return;
  }
  if ((kind == MessageKind::kHello) != (state_ == State::kHandshake)) {
    connection_->close(Status(StatusCode::kInvalidArgument, kind == MessageKind::kHello
                                                                ? "a second HELLO from " + describe()
                                                                : "a message before HELLO from " + describe()));
    return;
  }
  switch (kind) {
    case MessageKind::kResponse:
      core_.caller.on_response(*this, message);
      break;
    case MessageKind::kError:
      core_.caller.on_error(*this, message);
      break;
    case MessageKind::kHello:
      on_hello(message);
      break;
    case MessageKind::kGoaway:
      on_goaway(message);
      break;
    case MessageKind::kPing:
      static_cast<void>(is_overloaded());
      send(wire::bare(MessageKind::kPong, message.header.call_id));
      hold_back();
      break;
    case MessageKind::kCancel:
      if (detail::ParkedReply* reply = parked_.find(message.header.call_id); reply != nullptr)
        reply->cancel(Status(StatusCode::kCancelled, "the caller, " + describe() + ", waits no longer"));
      else
        line_.cancel(message.header.call_id);
      break;  // else it has been answered
    case MessageKind::kPong:
      on_pong(message.header.call_id);
      break;
    case MessageKind::kRequest:
      break;
  }
}

Status Link::check_hello(const wire::Hello& hello) const {
  const auto wrong = [this](const std::string& what) {
    return Status(StatusCode::kFailedPrecondition, description_ + what);
  };
  if (hello.protocol_max < wire::kProtocolMin || hello.protocol_min > wire::kProtocolMax) {
    return wrong(" speaks protocol versions " + std::to_string(hello.protocol_min) + " to " +
                 std::to_string(hello.protocol_max) + ", this node " + std::to_string(wire::kProtocolMin) + " to " +
                 std::to_string(wire::kProtocolMax) + ": upgrade the older one");
  }
  if (dialled_ && !peer_->expected_name().empty() && hello.node != peer_->expected_name()) {
    return wrong(" is node \"" + hello.node + "\", not \"" + peer_->expected_name() + "\": check that peer's URL");
  }
  const PeerIdentity identity = connection_->identity();
  if (identity.names_nodes && !identity.has(hello.node)) {
    return {StatusCode::kPermissionDenied, description_ + " says that it is node \"" + hello.node +
                                               "\", but its certificate is for \"" + identity.name() +
                                               "\": give it a certificate of its own"};
  }
  return {};
}

void Link::on_hello(const InboundMessage& message) {
  const Result<wire::Hello> hello = wire::decode_hello(message.body);
  const Status refused = hello ? check_hello(*hello) : hello.error();
  if (!refused.ok()) {
    // So that the peer's log has the reason, too.
    if (hello) send(wire::encode_goaway(refused));
    connection_->close(refused);
    return;
  }
  handshake_timer_.cancel();
  node_ = hello->node;
  origin_ = detail::ContextOrigin::make(
      *core_.handle, std::make_shared<CallerInfo>(CallerInfo{node_, description_, connection_->identity()}),
      static_cast<ReplySink*>(this));
  features_ = hello->features;
  max_body_bytes_ = hello->max_body_bytes;
  max_message_bytes_ = hello->max_message_bytes;
  for (const auto& codec : hello->codecs) codecs_.set(codec.id);
  state_ = State::kReady;
  core_.log(LogLevel::kDebug, "connected with " + describe() + ", " + hello->software);
  if (core_.draining) drain(Status(StatusCode::kUnavailable, "the node is shutting down"));
  if (peer_ == nullptr) peer_ = &core_.peers->retain(node_);
  peer_->on_link_ready(*this, dialled_);
}

void Link::on_goaway(const InboundMessage& message) {
  const Result<Status> reason = wire::decode_goaway(message.body);
  state_ = State::kDraining;
  goaway_ = reason ? *reason : reason.error();
  core_.log(dialled_ && !core_.draining ? LogLevel::kInfo : LogLevel::kDebug,
            describe() + " takes no more calls: " + goaway_.message());
  if (peer_ != nullptr) peer_->on_link_draining(*this);
}

void Link::on_closed(const Status& reason) {
  const bool was_ready = state_ == State::kReady || state_ == State::kDraining;
  state_ = State::kClosed;
  handshake_timer_.cancel();
  if (retirement_ == Retirement::kWaits) --core_.retiring;
  read_on(kForOutput | kForLoad);
  const std::string said = goaway_.ok() ? "" : ": " + goaway_.message();
  const std::string why = reason.ok() ? "it closed the connection" + said : reason_beside(describe(), reason.message());
  const bool fault = !reason.ok() && reason.code() != StatusCode::kUnavailable;
  core_.log(fault ? LogLevel::kWarning : LogLevel::kDebug, "connection with " + describe() + " ended: " + why);
  while (calls != nullptr) {
    core_.caller.fail_locally(
        *calls, Status(goaway_.code() == StatusCode::kPermissionDenied ? goaway_.code() : StatusCode::kUnavailable,
                       "the connection was lost: " + why));
  }
  core_.requests.discard(*this);
  const Status gone(StatusCode::kCancelled, "the connection of the caller, " + describe() + ", has ended: " + why);
  while (detail::ParkedReply* reply = parked_.first()) reply->cancel(gone);
  if (peer_ != nullptr) {
    peer_->on_link_closed(*this, dialled_, was_ready, reason);
    if (!dialled_) core_.peers->release(*peer_);
    peer_ = nullptr;
  }
  core_.remove_link(*this);
}

}  // namespace onward
