// SPDX-License-Identifier: Apache-2.0
#include "onward/stream/deferred.h"

#include "onward/object_pool.h"

namespace onward {

struct Deferred::Ticket final : LoopTask {
  explicit Ticket(Deferred* whose) : owner(whose) {}

  void run() noexcept override {
    Deferred* const whose = owner;
    drop();
    if (whose != nullptr) whose->function_();
  }
  void drop() noexcept override {
    if (owner != nullptr) owner->ticket_ = nullptr;
    pool_delete(this);
  }

  Deferred* owner;
};

Deferred::~Deferred() {
  if (ticket_ != nullptr) ticket_->owner = nullptr;
}

void Deferred::schedule() {
  if (ticket_ != nullptr) return;
  ticket_ = pool_new<Ticket>(this);
  loop_.schedule(*ticket_);
}

}  // namespace onward
