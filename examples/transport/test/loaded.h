// SPDX-License-Identifier: Apache-2.0
//
// The transport as a node has it: loaded from deflate.so.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "onward/module_library.h"
#include "onward/testing/transport_fixture.h"

namespace example {

inline const onward::ModuleDescriptor& deflate_module() {
  static const onward::ModuleDescriptor* const module = [] {
    const onward::Result<const onward::ModuleDescriptor*> loaded = onward::load_module(DEFLATE_MODULE);
    if (!loaded) throw onward::RpcError(loaded.error());
    return *loaded;
  }();
  return *module;
}

// As a node makes it whose configuration says no more than its name.
inline std::unique_ptr<onward::Transport> make_deflate(onward::EventLoop& loop, const onward::MessageLimits& limits) {
  std::vector<onward::SettingError> errors;
  const onward::Arguments arguments = onward::check_module_arguments(deflate_module(), {}, errors);
  for (const onward::SettingError& error : errors) ADD_FAILURE() << error.text();
  return deflate_module().make_transport(loop, limits, arguments);
}

inline onward::testing_support::TransportUnderTest deflate_under_test() {
  return {.name = "Deflate",
          .make = make_deflate,
          .listening_url = [] { return onward::Url{"deflate", "127.0.0.1:0"}; },
          .deserted_url = [] { return onward::Url{"deflate", "127.0.0.1:1"}; }};
}

}  // namespace example
