// SPDX-License-Identifier: Apache-2.0
//
// Other nodes by name: connected when first called, connected again, with backoff, when calls wait.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "onward/call.h"
#include "onward/event_loop.h"
#include "onward/message.h"
#include "onward/node.h"
#include "onward/status.h"

namespace onward {

class Link;
class NodeCore;

class Peer {
 public:
  Peer(NodeCore& core, std::string name, std::vector<std::string> urls);

  [[nodiscard]] NodeCore& core() const noexcept { return core_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // The name that its HELLO must say; empty where it was given by URL alone.
  [[nodiscard]] const std::string& expected_name() const noexcept { return expected_name_; }
  // Calls to it stay in this node.
  [[nodiscard]] bool is_this_node() const;
  // The link for new calls; null when there is none that is ready.
  [[nodiscard]] Link* ready_link() const noexcept { return link_; }
  [[nodiscard]] std::string describe() const;  // "b (tcp://127.0.0.1:7000)", "b" where it has several URLs
  [[nodiscard]] Node::PeerState state() const;
  // Why calls wait; empty when they need not.
  [[nodiscard]] std::string trouble() const;

  // Lets a call wait for the connection, and connects. May fail the call at once.
  void wait_for_link(OutgoingCall& call, Message&& message);
  void forget_waiting(OutgoingCall& call) noexcept;

  // From the links. A dialled link has become ready, or has ended (was it ever ready?).
  void on_link_ready(Link& link, bool dialled);
  void on_link_draining(Link& link);
  void on_link_closed(Link& link, bool dialled, bool was_ready, const Status& reason);

  void fail_waiting(const Status& error);
  // It is called over these from now on.
  void set_urls(std::vector<std::string> urls);

 private:
  struct Waiting {
    OutgoingCall* call;  // null once it was forgotten
    Message message;
    TimePoint since;
    bool fails = false;
  };
  void dial();
  void retry_later();
  void on_dial_failed(const Status& reason);
  void on_all_failed();
  void send_waiting(Link& link);
  void forget_link(const Link& gone);

  NodeCore& core_;
  std::string name_;
  std::string expected_name_;
  std::vector<std::string> urls_;
  std::size_t url_ = 0;                      // of urls_: the one that is in use, being tried, or next
  std::string tried_;                        // the URLs before it, and why each will not do
  StatusCode tried_code_ = StatusCode::kOk;  // UNAVAILABLE if any may do later
  Link* link_ = nullptr;                     // ready
  Link* dialling_ = nullptr;                 // not ready yet
  Link* abandoned_ = nullptr;                // was dialled at a URL that is no longer meant
  std::deque<Waiting> waiting_;
  std::uint64_t waiting_begin_ = 0;  // what the first of waiting_ has as call_id_
  std::size_t waiting_live_ = 0;
  std::size_t failures_ = 0;
  Status last_failure_;
  Timer retry_timer_;
  friend class Peers;
  std::size_t accepted_links_ = 0;
  bool kept_ = true;  // under Peers' lock
};

class Peers {
 public:
  explicit Peers(NodeCore& core) : core_(core) {}

  void configure(const std::map<std::string, std::vector<std::string>>& peers);
  // In place of those before; whose URLs are the same do not notice. Loop thread.
  void reconfigure(const std::map<std::string, std::vector<std::string>>& peers);
  // By name or URL, made when first asked for. Any thread.
  // Null once the node has stopped.
  [[nodiscard]] Peer* find(std::string_view name);
  // For connections that were accepted: as find(), but the peer is forgotten with its last connection,
  // unless somebody has asked for it. Loop thread.
  [[nodiscard]] Peer& retain(const std::string& name);
  void release(Peer& peer) noexcept;
  void fail_waiting(const Status& error);
  [[nodiscard]] std::vector<Node::PeerState> states();
  // The node has stopped: drops all peers.
  void clear();
  // Between half and one and a half times `delay`.
  [[nodiscard]] Duration jitter(Duration delay);

 private:
  Peer& find_locked(std::string_view name, bool keep);

  NodeCore& core_;
  std::mutex mutex_;
  bool closed_ = false;
  std::map<std::string, std::unique_ptr<Peer>, std::less<>> peers_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace onward
