// SPDX-License-Identifier: Apache-2.0
#include "dynamic_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json_value.h"
#include "onward/init_rpc.h"

namespace onward {
namespace {

using testing::HasSubstr;

class DynamicCall : public testing::Test {
 protected:
  DynamicCall() : node_({.name = "n", .transports = standard_transports(), .codecs = standard_codecs()}) {
    FunctionTable& functions = node_.functions();
    EXPECT_TRUE(
        functions
            .add("join", [](std::string a, std::int8_t b,
                            std::vector<double> c) { return a + std::to_string(b) + "/" + std::to_string(c.size()); })
            .ok());
    EXPECT_TRUE(functions.add("nothing", [] {}).ok());
    EXPECT_TRUE(functions.add("row", [](const Tensor& tensor) { return tensor; }).ok());
    EXPECT_TRUE(node_.start().ok());
  }

  // As `onward call` makes it: the result as JSON, or the error's code and message.
  std::string call(std::string_view function, std::initializer_list<const char*> arguments, const char* to = "n") {
    DynamicValue::Sequence values;
    for (const char* argument : arguments) values.push_back(parse_argument(argument).value());
    try {
      return to_json(rpc_dynamic(node_, to, function, values).wait());
    } catch (const RpcError& error) {
      return std::string(to_string(error.code())) + ": " + error.status().message();
    }
  }

  Node node_;
};

TEST_F(DynamicCall, ArgumentsBecomeTheCalleesTypes) {
  EXPECT_EQ(call("join", {"a", "7", "[1, 2.5]"}), "\"a7/2\"");
  EXPECT_EQ(call("nothing", {}), "null");
  EXPECT_EQ(call("row", {R"({"dtype": "int32", "shape": [1], "data": [5]})"}),
            R"({"data":[5],"dtype":"int32","shape":[1]})");
}

TEST_F(DynamicCall, ArgumentsThatDoNotFit) {
  EXPECT_THAT(call("join", {"a", "300", "[]"}),
              HasSubstr("INVALID_ARGUMENT: join(string, int8, list<float64>) -> string"));
  EXPECT_THAT(call("join", {"a", "b", "[]"}), HasSubstr("expected an integer"));
  EXPECT_THAT(call("join", {"a"}), HasSubstr("takes 3 arguments and got 1"));
}

TEST_F(DynamicCall, WhatCannotBeCalled) {
  EXPECT_THAT(call("jion", {}), HasSubstr("UNIMPLEMENTED: function \"jion\" is not registered"));
  EXPECT_THAT(call("", {}), HasSubstr("INVALID_ARGUMENT: a function's name"));
  EXPECT_THAT(call("nothing", {}, "nobody"), HasSubstr("UNAVAILABLE: "));
}

}  // namespace
}  // namespace onward
