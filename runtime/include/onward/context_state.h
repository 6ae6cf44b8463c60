// SPDX-License-Identifier: Apache-2.0
//
// What stands behind a CallContext: one counted, pooled object of 48 bytes, made only when somebody asks for it or
// keeps it. Users want call_context.h.
//
// Cancellation goes down from parent to child by a list of listeners, which only the loop's thread touches. A context
// stands in its parent's list only while somebody listens to itself, and has a timer only then: one that nobody listens
// to costs nothing more than its memory. Whether a context is cancelled can be asked from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "onward/clock.h"
#include "onward/export.h"
#include "onward/function_name.h"
#include "onward/identity.h"
#include "onward/object_pool.h"
#include "onward/status.h"
#include "onward/trace.h"

namespace onward {

class LoopHandle;

namespace detail {

class ContextState;

// Told once, on the loop's thread, that a context is cancelled. Whoever listens keeps a reference to the context.
class ONWARD_API CancelListener {
 public:
  // Not listening any more; may destroy itself.
  virtual void on_cancelled(const Status& reason) noexcept = 0;
  [[nodiscard]] bool listening() const noexcept { return previous_ != nullptr; }

 protected:
  ~CancelListener() = default;  // not listening

 private:
  friend class ContextState;
  CancelListener* next_ = nullptr;
  CancelListener** previous_ = nullptr;
};

// What all contexts of one connection's requests have in common. Counted.
class ONWARD_API ContextOrigin {
 public:
  // One reference. `loop` is retained; `owner` is for whoever makes it.
  static ContextOrigin* make(LoopHandle& loop, std::shared_ptr<const CallerInfo> caller, void* owner = nullptr);
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  [[nodiscard]] LoopHandle& loop() const noexcept { return loop_; }
  [[nodiscard]] void* owner() const noexcept { return owner_; }
  [[nodiscard]] const std::shared_ptr<const CallerInfo>& caller() const noexcept { return caller_; }

 private:
  ContextOrigin(LoopHandle& loop, std::shared_ptr<const CallerInfo> caller, void* owner) noexcept;
  ~ContextOrigin();
  LoopHandle& loop_;
  std::shared_ptr<const CallerInfo> caller_;
  void* owner_;
  std::atomic<std::uint32_t> references_{1};
};

class ONWARD_API ContextState {
 public:
  // Who listens.
  enum class Interest : std::uint8_t {
    kCall,   // has a deadline and an end of its own: wants to know of cancellation alone
    kWaits,  // must be told of the deadline, and of the node's end, too
  };

  // One reference. `parent` and `metadata` may be null.
  static ContextState* make(ContextOrigin& origin, TimePoint deadline, const Activity* activity = nullptr,
                            ContextState* parent = nullptr, std::shared_ptr<const CallMetadata> metadata = nullptr);
  // The context of what runs on a loop for no call: the parent of those that have none. One reference.
  static ContextState* make_background(ContextOrigin& origin);
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept { drop_references(1); }
  // Without a locked instruction where nobody else has any.
  void drop_references(std::uint32_t count) noexcept {
    if (references_.load(std::memory_order_acquire) == count ||
        references_.fetch_sub(count, std::memory_order_acq_rel) == count) {
      destroy();
    }
  }
  // Of one that nobody else knows yet.
  void set_references(std::uint32_t count) noexcept { references_.store(count, std::memory_order_relaxed); }
  ContextState(const ContextState&) = delete;
  ContextState& operator=(const ContextState&) = delete;

  [[nodiscard]] TimePoint deadline() const noexcept { return deadline_; }
  [[nodiscard]] const Activity* activity() const noexcept { return activity_; }
  [[nodiscard]] ContextOrigin& origin() const noexcept { return *origin_; }
  [[nodiscard]] std::shared_ptr<const CallMetadata> metadata() const noexcept;
  // OK, or why nobody waits any more.
  [[nodiscard]] Status status() const noexcept;
  void cancel(const Status& reason) noexcept;
  // A byte for whoever has made it.
  [[nodiscard]] std::uint8_t tag() const noexcept { return tag_; }
  void set_tag(std::uint8_t tag) noexcept { tag_ = tag; }

  // Loop thread. False, and nothing changes, if it is cancelled already: ask status(). A listener of another loop is
  // not told.
  bool add_listener(CancelListener& listener, Interest interest) noexcept;
  void remove_listener(CancelListener& listener) noexcept;

 private:
  enum class Phase : std::uint8_t { kLive, kClaimed, kCancelled };
  struct Details;

  ContextState(ContextOrigin& origin, TimePoint deadline, const Activity* activity) noexcept;
  ~ContextState();
  template <class T>
  friend void onward::pool_delete(T*) noexcept;
  template <class T, class... Args>
  friend T* onward::pool_new(Args&&...);

  void destroy() noexcept;
  Details& details();
  bool join(Interest interest) noexcept;
  void leave() noexcept;
  void notify() noexcept;

  std::atomic<std::uint32_t> references_{1};
  std::atomic<Phase> phase_{Phase::kLive};
  bool is_background_ = false;
  std::uint8_t tag_ = 0;
  TimePoint deadline_;
  ContextOrigin* origin_;
  const Activity* activity_;
  CancelListener* listeners_ = nullptr;
  std::atomic<Details*> details_{nullptr};  // what few contexts have
};

// A counted pointer to one, or to none.
class ContextRef {
 public:
  ContextRef() noexcept = default;
  // Takes over one reference.
  explicit ContextRef(ContextState* adopted) noexcept : state_(adopted) {}
  ContextRef(const ContextRef& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->add_reference();
  }
  ContextRef(ContextRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  ContextRef& operator=(ContextRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~ContextRef() {
    if (state_ != nullptr) state_->drop_reference();
  }
  [[nodiscard]] static ContextRef share(ContextState* state) noexcept {
    if (state != nullptr) state->add_reference();
    return ContextRef(state);
  }
  [[nodiscard]] ContextState* get() const noexcept { return state_; }
  ContextState* operator->() const noexcept { return state_; }
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
  [[nodiscard]] const Activity* activity() const noexcept { return state_ == nullptr ? nullptr : state_->activity(); }

 private:
  ContextState* state_ = nullptr;
};

// A request's context before anybody has asked for it. On the stack of whoever runs the function.
struct ONWARD_API LazyContext {
  ContextOrigin& origin;
  TimePoint deadline;
  const Activity* activity;
  std::uint8_t tag = 0;
  std::shared_ptr<const CallMetadata> metadata = nullptr;
  // It is made with more references than one, for those who will ask: to count them one by one takes longer.
  ContextState* made = nullptr;
  std::uint32_t to_give = 0;

  [[nodiscard]] ContextRef share();
  ~LazyContext() {
    if (made != nullptr) made->drop_references(to_give);
  }
};

// What is current on a thread: a context, or a request that has none yet.
struct ContextSlot {
  ContextState* state = nullptr;
  LazyContext* lazy = nullptr;
};

// Makes something current while it lives; whoever lends it keeps it meanwhile.
class ONWARD_API CurrentContext {
 public:
  explicit CurrentContext(LazyContext& lazy) noexcept;
  explicit CurrentContext(ContextState* state) noexcept;
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  // Another one in its place.
  void replace(ContextState* state) noexcept;

 private:
  ContextSlot before_;
};

// Puts back, when it goes, what was current when it came: around code that may leave something else.
class ONWARD_API KeepContext {
 public:
  KeepContext() noexcept;
  ~KeepContext();
  KeepContext(const KeepContext&) = delete;
  KeepContext& operator=(const KeepContext&) = delete;

 private:
  ContextSlot before_;
};

// The current one, made if need be; null where there is none.
[[nodiscard]] ONWARD_API ContextRef capture_context();
[[nodiscard]] ONWARD_API const Activity* current_activity() noexcept;

struct ContextAccess;

}  // namespace detail
}  // namespace onward
