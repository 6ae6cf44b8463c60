// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "inproc/inproc_link.h"
#include "onward/event_loop.h"
#include "onward/inproc/inproc_transport.h"

namespace onward {

// A name that somebody listens under. Kept by the hub and by connections on their way.
struct InprocPort {
  // Called on the listener's loop.
  class Owner {
   public:
    virtual void accept(std::shared_ptr<InprocLink> link) = 0;

   protected:
    ~Owner() = default;
  };

  InprocPort(EventLoop& where, Owner& who) : loop(where.handle()), owner(&who) { LoopHandle::retain(&loop); }
  ~InprocPort() { LoopHandle::release(&loop); }
  InprocPort(const InprocPort&) = delete;
  InprocPort& operator=(const InprocPort&) = delete;

  LoopHandle& loop;
  Owner* owner;  // null once it listens no more; on the thread of `loop` only
};

// Names and who listens under them. Any thread.
struct InprocHub::Names {
  // False if the name is taken.
  [[nodiscard]] bool add(const std::string& name, const std::shared_ptr<InprocPort>& port);
  void remove(const std::string& name);
  // Null if there is none.
  [[nodiscard]] std::shared_ptr<InprocPort> find(const std::string& name);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<InprocPort>, std::less<>> ports_;
};

}  // namespace onward
