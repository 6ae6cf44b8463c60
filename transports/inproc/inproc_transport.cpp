// SPDX-License-Identifier: Apache-2.0
#include "onward/inproc/inproc_transport.h"

#include <utility>

#include "inproc/inproc_connection.h"
#include "inproc/inproc_link.h"
#include "inproc/inproc_names.h"
#include "onward/object_pool.h"

namespace onward {
namespace {

constexpr std::string_view kScheme = "inproc";

std::string refused(const std::string& url) {
  return url + ": nobody listens under this name in this process; is the node running?";
}

// A connection on its way to a listener's loop.
class Arrival final : public LoopTask {
 public:
  Arrival(std::shared_ptr<InprocPort> port, std::shared_ptr<InprocLink> link, std::string url)
      : port_(std::move(port)), link_(std::move(link)), url_(std::move(url)) {}

  void run() noexcept override {
    if (port_->owner == nullptr) return drop();
    port_->owner->accept(std::move(link_));
    pool_delete(this);
  }
  void drop() noexcept override {
    InprocLink::finish(link_, 1, Status(StatusCode::kUnavailable, refused(url_)));
    pool_delete(this);
  }

 private:
  std::shared_ptr<InprocPort> port_;
  std::shared_ptr<InprocLink> link_;
  std::string url_;
};

class InprocListener final : public Listener, private InprocPort::Owner {
 public:
  InprocListener(EventLoop& loop, const MessageLimits& limits, std::shared_ptr<InprocHub> hub, Url url,
                 ListenerEvents& events)
      : loop_(loop),
        limits_(limits),
        hub_(std::move(hub)),
        url_(std::move(url)),
        events_(events),
        port_(std::make_shared<InprocPort>(loop, static_cast<InprocPort::Owner&>(*this))) {}
  ~InprocListener() override { close(); }

  // False if the name is taken.
  [[nodiscard]] bool begin() {
    open_ = hub_->names().add(url_.rest, port_);
    return open_;
  }
  [[nodiscard]] const Url& url() const override { return url_; }
  void on_dispose() noexcept override { close(); }

 private:
  void accept(std::shared_ptr<InprocLink> link) override {
    events_.on_accept(
        std::make_unique<InprocConnection>(loop_, limits_, url_.to_string() + " (accepted)", std::move(link), 1));
  }
  void close() noexcept {
    port_->owner = nullptr;
    if (std::exchange(open_, false)) hub_->names().remove(url_.rest);
  }

  EventLoop& loop_;
  MessageLimits limits_;
  std::shared_ptr<InprocHub> hub_;
  Url url_;
  ListenerEvents& events_;
  std::shared_ptr<InprocPort> port_;
  bool open_ = false;
};

class InprocTransport final : public Transport {
 public:
  InprocTransport(EventLoop& loop, const MessageLimits& limits, std::shared_ptr<InprocHub> hub)
      : loop_(loop), limits_(limits), hub_(std::move(hub)) {}

  [[nodiscard]] std::string_view scheme() const override { return kScheme; }
  [[nodiscard]] Status check(const Url& url, Use) const override { return check_name(url); }

  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url) override {
    if (Status status = check_name(url); !status.ok()) return std::unexpected(std::move(status));
    auto link = std::make_shared<InprocLink>();
    auto connection = std::make_unique<InprocConnection>(loop_, limits_, url.to_string(), link, 0);
    if (std::shared_ptr<InprocPort> port = hub_->names().find(url.rest); port != nullptr) {
      LoopHandle& loop = port->loop;
      loop.schedule(*pool_new<Arrival>(std::move(port), std::move(link), url.to_string()));
    } else {
      connection->fail(Status(StatusCode::kUnavailable, refused(url.to_string())));
    }
    return connection;
  }

  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(const Url& url, ListenerEvents& events) override {
    if (Status status = check_name(url); !status.ok()) return std::unexpected(std::move(status));
    auto listener = std::make_unique<InprocListener>(loop_, limits_, hub_, url, events);
    if (listener->begin()) return listener;
    return fail(StatusCode::kAlreadyExists,
                "cannot listen on " + url.to_string() + ": another node of this process does; take another name");
  }

 private:
  static Status check_name(const Url& url) {
    if (url.scheme == kScheme && !url.rest.empty()) return {};
    return {StatusCode::kInvalidArgument, url.to_string() + ": the inproc transport wants an inproc://NAME URL"};
  }

  EventLoop& loop_;
  MessageLimits limits_;
  std::shared_ptr<InprocHub> hub_;
};

}  // namespace

std::unique_ptr<Transport> make_inproc_transport(EventLoop& loop, const MessageLimits& limits,
                                                 std::shared_ptr<InprocHub> hub) {
  return std::make_unique<InprocTransport>(loop, limits, std::move(hub));
}

}  // namespace onward
