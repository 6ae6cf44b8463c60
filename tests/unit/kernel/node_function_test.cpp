// SPDX-License-Identifier: Apache-2.0
//
// Results that are encoded already.
#include <memory>
#include <string>
#include <thread>

#include "node_fixture.h"

namespace onward {
namespace {

using test::error_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NodeFunctionTest : public test::NodeTest {};

// Answers with a string of so many bytes, which another thread has encoded.
class Prepared final : public Function {
 public:
  Prepared(std::string_view name, std::size_t bytes)
      : Function(FunctionName::intern(name), detail::signature_of<std::string>(), RunMode::kDirect, ""),
        bytes_(bytes) {}
  void invoke(IncomingCall& call) const noexcept override {
    Payload payload;
    std::thread([&] {
      const std::string text(bytes_, 'x');
      EXPECT_TRUE(call.codec.encode([&](Encoder& out) { out.string(text); }, payload).ok());
    }).join();
    call.sink.send_payload(call.message.header.call_id, call.codec, name(), std::move(payload));
  }

 private:
  std::size_t bytes_;
};

TEST_F(NodeFunctionTest, APayloadIsAnAnswerAsAResultIs) {
  NodeOptions client = options("a");
  client.limits.max_body_bytes = 2000;
  start_pair(std::move(client), options("b"), [](FunctionTable& table) {
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("small", 1000), nullptr).ok());
    ASSERT_TRUE(table.insert(std::make_unique<Prepared>("large", 3000), nullptr).ok());
  });
  EXPECT_EQ(rpc_sync(*a, "b", remote<std::string()>("small")), std::string(1000, 'x'));
  const Status status = error_of(rpc_async(*a, "b", remote<std::string()>("large")));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the result of large cannot be sent: "), HasSubstr("body 2000")));
  ASSERT_EQ(status.trail().size(), 1U);
  EXPECT_EQ(status.trail()[0].function, "large");
  EXPECT_TRUE(wait_until_parked(*b, 0));
  EXPECT_EQ(lines.count("ended"), 0U) << lines.text();
}

}  // namespace
}  // namespace onward
