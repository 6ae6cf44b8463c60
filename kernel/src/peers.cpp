// SPDX-License-Identifier: Apache-2.0
#include "peers.h"

#include <algorithm>
#include <string>

#include "link.h"
#include "node_core.h"

namespace onward {

Peer::Peer(NodeCore& core, std::string name, std::vector<std::string> urls)
    : core_(core),
      name_(std::move(name)),
      expected_name_(Url::looks_like_url(name_) ? std::string() : name_),
      urls_(std::move(urls)),
      retry_timer_(*core.loop, [this] { dial(); }) {}

bool Peer::is_this_node() const { return name_ == core_.options.name && urls_.empty(); }

std::string Peer::describe() const {
  return urls_.size() != 1 || urls_.front() == name_ ? name_ : name_ + " (" + urls_.front() + ")";
}

Node::PeerState Peer::state() const {
  return {.name = name_,
          .url = url_ < urls_.size() ? urls_[url_] : "",
          .connected = link_ != nullptr,
          .trouble = tried_.empty() ? last_failure_.message() : tried_};
}

std::string Peer::trouble() const {
  if (link_ != nullptr) return {};
  if (last_failure_.ok()) return "the connection is not established yet";
  return reason_beside(describe(), last_failure_.message()) + " (" + std::to_string(failures_) +
         (failures_ == 1 ? " attempt)" : " attempts)");
}

void Peer::wait_for_link(OutgoingCall& call, Message&& message) {
  Status refused;
  if (urls_.empty() && name_ != core_.options.name) {
    refused = Status(StatusCode::kUnavailable, "node " + core_.options.name + " knows no address of \"" + name_ +
                                                   "\" and it is not connected: add it to [peers] or call it by URL");
  } else if (waiting_live_ >= core_.options.max_waiting_calls) {
    refused = Status(StatusCode::kResourceExhausted, std::to_string(waiting_live_) +
                                                         " calls wait for the connection to " + describe() +
                                                         " already, which is the limit (limits.max_waiting_calls)");
  } else if (call.fail_fast_ && dialling_ == nullptr && !last_failure_.ok() && retry_timer_.armed()) {
    refused = Status(StatusCode::kUnavailable, last_failure_.message());
  }
  if (waiting_.size() > 2 * waiting_live_ + 64) {
    std::erase_if(waiting_, [](const Waiting& entry) { return entry.call == nullptr; });
    for (std::size_t i = 0; i < waiting_.size(); ++i) waiting_[i].call->call_id_ = waiting_begin_ + i;
  }
  call.call_id_ = waiting_begin_ + waiting_.size();
  waiting_.push_back({&call, std::move(message), core_.loop->now()});
  ++waiting_live_;
  if (!refused.ok()) {
    core_.caller.fail_locally(call, refused);
    return;
  }
  if (dialling_ == nullptr && !retry_timer_.armed()) dial();
}

void Peer::forget_waiting(OutgoingCall& call) noexcept {
  const std::uint64_t index = call.call_id_ - waiting_begin_;
  if (index >= waiting_.size() || waiting_[index].call != &call) return;
  waiting_[index].call = nullptr;
  waiting_[index].message = {};
  --waiting_live_;
  while (!waiting_.empty() && waiting_.front().call == nullptr) {
    waiting_.pop_front();
    ++waiting_begin_;
  }
}

void Peer::dial() {
  if (core_.stopped.load(std::memory_order_relaxed) || waiting_.empty()) return;
  if (is_this_node()) {
    dialling_ = &core_.add_link(core_.connect_to_self(), this);
    return;
  }
  Result<std::unique_ptr<Connection>> connection = core_.connect(urls_[url_], expected_name_);
  if (!connection) return on_dial_failed(connection.error());
  dialling_ = &core_.add_link(std::move(*connection), this);
}

void Peer::on_link_ready(Link& link, bool dialled) {
  if (dialled) {
    dialling_ = nullptr;
    if (url_ > 0)
      core_.log(LogLevel::kInfo, name_ + " is called over " + urls_[url_] + ", as others failed: " + tried_);
  } else if (!urls_.empty() || link_ != nullptr || name_ == core_.options.name) {
    return;  // this node calls the peer over connections of its own, and over the first that serves
  }
  failures_ = 0;
  last_failure_ = {};
  link_ = &link;
  send_waiting(link);
}

void Peer::send_waiting(Link& link) {
  while (!waiting_.empty() && link_ == &link) {
    Waiting entry = std::move(waiting_.front());
    waiting_.pop_front();
    ++waiting_begin_;
    if (entry.call == nullptr) continue;
    --waiting_live_;
    std::uint32_t& timeout = entry.message.header.timeout_ms;
    if (timeout != MessageHeader::kNoTimeout) {
      const auto waited =
          std::chrono::duration_cast<std::chrono::milliseconds>(core_.loop->now() - entry.since).count();
      timeout -= static_cast<std::uint32_t>(std::clamp<std::int64_t>(waited, 0, timeout));
    }
    core_.caller.send(*entry.call, link, std::move(entry.message));
  }
}

void Peer::on_link_draining(Link& link) { forget_link(link); }

// A peer that has no address is called over any connection that it keeps to this node.
void Peer::forget_link(const Link& gone) {
  if (link_ != &gone) return;
  link_ = nullptr;
  if (!urls_.empty() || name_ == core_.options.name) return;
  for (Link* link = core_.links; link != nullptr && link_ == nullptr; link = link->next) {
    if (link->peer() == this && link->state() == Link::State::kReady) link_ = link;
  }
}

void Peer::on_link_closed(Link& link, bool dialled, bool was_ready, const Status& reason) {
  forget_link(link);
  if (dialling_ == &link) dialling_ = nullptr;
  if (abandoned_ == &link || link.is_retired()) {
    if (abandoned_ == &link) abandoned_ = nullptr;
    return;
  }
  if (!dialled || core_.stopped.load(std::memory_order_relaxed)) return;
  if (was_ready) {
    url_ = 0;
    tried_.clear();
    if (!waiting_.empty() && link_ == nullptr && dialling_ == nullptr && !retry_timer_.armed()) dial();
    return;
  }
  on_dial_failed(reason.ok()
                     ? Status(StatusCode::kUnavailable, link.describe() + " closed the connection during the handshake")
                     : reason);
}

// The next URL is tried at once; after the last, the best again, some time later.
void Peer::on_dial_failed(const Status& reason) {
  const std::string& url = urls_.empty() ? name_ : urls_[url_];
  const std::string why = reason_beside(url, reason.message());
  const bool may_do_later =
      reason.code() == StatusCode::kUnavailable || reason.code() == StatusCode::kResourceExhausted;
  if (tried_.empty() || may_do_later) tried_code_ = may_do_later ? StatusCode::kUnavailable : reason.code();
  tried_ += tried_.empty() ? "" : "; ";
  tried_ += urls_.size() > 1 ? url + ": " + why : why;
  const bool more = url_ + 1 < urls_.size();
  core_.log(failures_ == 0 ? LogLevel::kWarning : LogLevel::kDebug,
            "cannot reach " + (url == name_ ? url : name_ + " (" + url + ")") + ": " + why +
                (more ? "; it is tried over " + urls_[url_ + 1] : ""));
  if (!more) return on_all_failed();
  ++url_;
  dial();
}

void Peer::on_all_failed() {
  ++failures_;
  url_ = 0;
  last_failure_ = Status(tried_code_, std::exchange(tried_, {}));
  retry_later();  // first: what fails may call again
  // A peer that answers, but is not the one that was meant, will not change by waiting.
  const bool hopeless = tried_code_ != StatusCode::kUnavailable;
  for (Waiting& entry : waiting_) entry.fails = entry.call != nullptr && (hopeless || entry.call->fail_fast_);
  const Status failure = last_failure_;
  // Whoever is told may cancel others, and call again, which may even move those that are left to the front.
  for (bool again = true; std::exchange(again, false);) {
    std::uint64_t id = waiting_begin_;
    for (; (id = std::max(id, waiting_begin_)) - waiting_begin_ < waiting_.size(); ++id) {
      const Waiting& entry = waiting_[id - waiting_begin_];
      if (entry.call == nullptr || !entry.fails) continue;
      again = true;
      core_.caller.fail_locally(*entry.call, failure);
    }
  }
}

void Peer::retry_later() {
  const std::size_t rounds = std::min<std::size_t>(failures_ - 1, 16);
  const Duration delay =
      std::min(core_.options.connect_backoff * (std::int64_t{1} << rounds), core_.options.connect_backoff_max);
  retry_timer_.arm(core_.peers->jitter(delay));
}

void Peer::set_urls(std::vector<std::string> urls) {
  if (urls == urls_) return;
  const bool was_dialled = !urls_.empty();
  urls_ = std::move(urls);
  url_ = 0;
  tried_.clear();
  failures_ = 0;
  last_failure_ = {};
  retry_timer_.cancel();
  if (dialling_ != nullptr) {
    abandoned_ = std::exchange(dialling_, nullptr);
    abandoned_->close({});
  }
  // One that the peer has made is the peer's; it is only not called over it any more.
  Link* old = urls_.empty() && !was_dialled ? nullptr : std::exchange(link_, nullptr);
  if (old != nullptr && was_dialled) {
    old->retire(Status(StatusCode::kUnavailable, "node " + core_.options.name + " has another address for it now"));
  }
  if (!urls_.empty()) return dial();
  fail_waiting(Status(StatusCode::kUnavailable, name_ + " is no longer among the peers of node " + core_.options.name));
}

void Peer::fail_waiting(const Status& error) {
  while (!waiting_.empty()) {
    OutgoingCall* call = waiting_.front().call;
    if (call == nullptr) {
      waiting_.pop_front();
      ++waiting_begin_;
      continue;
    }
    core_.caller.fail_locally(*call, error);
  }
}

void Peers::configure(const std::map<std::string, std::vector<std::string>>& peers) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, urls] : peers) peers_.emplace(name, std::make_unique<Peer>(core_, name, urls));
}

void Peers::reconfigure(const std::map<std::string, std::vector<std::string>>& peers) {
  std::vector<std::pair<Peer*, std::vector<std::string>>> changes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, urls] : peers) peers_.try_emplace(name, std::make_unique<Peer>(core_, name, urls));
    for (const auto& [name, peer] : peers_) {
      if (Url::looks_like_url(name)) continue;
      const auto found = peers.find(name);
      changes.emplace_back(peer.get(), found == peers.end() ? std::vector<std::string>() : found->second);
    }
  }
  for (auto& [peer, urls] : changes) peer->set_urls(std::move(urls));
}

Peer& Peers::find_locked(std::string_view name, bool keep) {
  auto found = peers_.find(name);
  if (found == peers_.end()) {
    std::vector<std::string> urls;
    if (Url::looks_like_url(name)) urls.emplace_back(name);
    found = peers_.emplace(std::string(name), std::make_unique<Peer>(core_, std::string(name), std::move(urls))).first;
    found->second->kept_ = keep;
  }
  found->second->kept_ |= keep;
  return *found->second;
}

Peer* Peers::find(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return closed_ ? nullptr : &find_locked(name, true);
}

void Peers::clear() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  peers_.clear();
}

Peer& Peers::retain(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Peer& peer = find_locked(name, false);
  ++peer.accepted_links_;
  return peer;
}

void Peers::release(Peer& peer) noexcept {
  const std::lock_guard lock(mutex_);
  if (--peer.accepted_links_ == 0 && !peer.kept_) peers_.erase(peers_.find(peer.name()));
}

void Peers::fail_waiting(const Status& error) {
  std::vector<Peer*> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, peer] : peers_) all.push_back(peer.get());
  }
  for (Peer* peer : all) peer->fail_waiting(error);
}

std::vector<Node::PeerState> Peers::states() {
  const std::lock_guard lock(mutex_);
  std::vector<Node::PeerState> result;
  result.reserve(peers_.size());
  for (const auto& [name, peer] : peers_) result.push_back(peer->state());
  return result;
}

Duration Peers::jitter(Duration delay) {
  std::uniform_int_distribution<Duration::rep> between(delay.count() / 2, delay.count() * 3 / 2);
  return Duration(between(random_));
}

}  // namespace onward
