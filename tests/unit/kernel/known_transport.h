// SPDX-License-Identifier: Apache-2.0
//
// A transport whose peers are who a test says.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "onward/identity.h"
#include "onward/transport.h"

namespace onward::test {

// A connection whose peer has proved what a test says.
class KnownConnection final : public Connection {
 public:
  KnownConnection(std::unique_ptr<Connection> inner, PeerIdentity peer)
      : inner_(std::move(inner)), peer_(std::move(peer)) {}
  void start(ConnectionEvents& events) override { inner_->start(events); }
  void send(Message message) override { inner_->send(std::move(message)); }
  void close(Status reason) override { inner_->close(std::move(reason)); }
  void abort(Status reason) override { inner_->abort(std::move(reason)); }
  void pause() override { inner_->pause(); }
  void resume() override { inner_->resume(); }
  [[nodiscard]] std::size_t queued_bytes() const override { return inner_->queued_bytes(); }
  [[nodiscard]] std::string description() const override { return inner_->description(); }
  [[nodiscard]] PeerIdentity identity() const override { return peer_; }
  void on_dispose() noexcept override { inner_->on_dispose(); }

 private:
  std::unique_ptr<Connection> inner_;
  PeerIdentity peer_;
};

// inproc, but peers are who the test says; and anybody from anywhere where `guarded` is false.
class KnownTransport final : public Transport, private ListenerEvents {
 public:
  KnownTransport(std::unique_ptr<Transport> inner, PeerIdentity peer, bool guarded)
      : inner_(std::move(inner)), peer_(std::move(peer)), guarded_(guarded) {}
  [[nodiscard]] std::string_view scheme() const override { return inner_->scheme(); }
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    return std::make_unique<KnownConnection>(*inner_->connect(url), peer_);
  }
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    events_ = &events;
    return inner_->listen(url, *this);
  }
  [[nodiscard]] bool is_guarded(const Url&) const override { return guarded_; }
  // The second time is the first that fails.
  [[nodiscard]] Status reload() override {
    ++reloads;
    return reloads > 1 ? Status(StatusCode::kNotFound, "no file x.pem") : Status();
  }
  int reloads = 0;

 private:
  void on_accept(std::unique_ptr<Connection> connection) override {
    events_->on_accept(std::make_unique<KnownConnection>(std::move(connection), peer_));
  }
  std::unique_ptr<Transport> inner_;
  PeerIdentity peer_;
  bool guarded_;
  ListenerEvents* events_ = nullptr;
};

}  // namespace onward::test
