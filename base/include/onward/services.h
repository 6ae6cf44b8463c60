// SPDX-License-Identifier: Apache-2.0
//
// What the modules of a node give each other: interfaces, found by name and version.
//
//   class Counter {                                     // in a header that both modules include
//    public:
//     static constexpr ServiceName kService{"counter", 1};
//     virtual ~Counter() = default;
//     virtual int next() = 0;
//   };
//   context.provide<Counter>(*this).throw_if_error();   // start() of a module with .provides = {"counter"}
//   Counter& counter = context.service<Counter>();      // start() of a module with .needs = {"counter"}
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "onward/export.h"
#include "onward/module_abi.h"
#include "onward/status.h"

namespace onward {

// `version` grows with every change that who was compiled against the old interface cannot live with.
struct ServiceName {
  std::string_view name;
  std::uint32_t version = 1;
};

// The services of one node. Kernel thread only.
class ONWARD_API Services {
 public:
  // FAILED_PRECONDITION for a name that is not among `declared`; ALREADY_EXISTS, with who has it, for one that is
  // taken.
  Status provide(const ServiceName& service, void* object, std::string_view module, const ModuleNames& declared);
  // As find(), of a service among `needs` and `wants`; else FAILED_PRECONDITION.
  [[nodiscard]] Result<void*> find_declared(const ServiceName& service, const ModuleNames& needs,
                                            const ModuleNames& wants) const;
  // NOT_FOUND; FAILED_PRECONDITION for another version, with both.
  [[nodiscard]] Result<void*> find(const ServiceName& service) const;
  // Of a module that stops, or has not started.
  void withdraw(std::string_view module);

 private:
  struct Entry {
    std::uint32_t version;
    void* object;
    std::string module;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace onward
