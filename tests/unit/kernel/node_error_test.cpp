// SPDX-License-Identifier: Apache-2.0
//
// What a caller is told when a call goes wrong.
#include <stdexcept>

#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::add_numbers;
using test::error_of;
using test::kHang;
using test::thrown_by;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NodeErrorTest : public test::NodeTest {};

int not_registered(int x) { return x; }

TEST_F(NodeErrorTest, AWrongSignatureNamesBoth) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  const Status status = error_of(rpc_async(*a, "b", remote<double(double)>("add"), 1.0));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("add is (int32, int32) -> int32 at b (inproc://b)"),
                                      HasSubstr("called as (float64) -> float64")));
  EXPECT_EQ(error_of(rpc_async(*a, "b", remote<std::string(int, int)>("add"), 1, 1)).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(rpc_sync(*a, "b", add_numbers, 1, 1), 2);
}

TEST_F(NodeErrorTest, AFunctionThatIsNotThereIsNamed) {
  start_pair();
  const Status status = error_of(rpc_async(*a, "b", remote<void()>("no_such")));
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("\"no_such\""), HasSubstr("b (inproc://b)"), HasSubstr("check its name")));
}

TEST_F(NodeErrorTest, AFunctionThatIsNotRegisteredHereSaysWhatToDo) {
  start_pair();
  const Status status = error_of(rpc_async(*a, "b", not_registered, 1));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("not registered at node a"), HasSubstr("remote<")));
}

// A call whose caller does not know the signature, as the command line makes them.
class UntypedCall final : public OutgoingCall {
 public:
  UntypedCall(const FunctionName& name, const Signature& signature, Future<void> result)
      : OutgoingCall(name, signature), result_(std::move(result)) {}
  void on_response(const Codec&, InboundMessage&) noexcept override { result_.try_complete({}); }
  void on_failure(const Status& error) noexcept override { result_.try_fail(error); }
  void destroy() noexcept override { pool_delete(this); }

 private:
  Future<void> result_;
};

template <class... Args>
Future<void> call_untyped(Node& node, const char* name, const Args&... args) {
  static const Signature unknown("?");
  Future<void> result(&node.loop());
  Message message;
  const Codec* codec = *node.codec("flex");
  const Status encoded = codec->encode(
      [&](Encoder& encoder) {
        encoder.begin_sequence(sizeof...(Args));
        (encode_value(encoder, args), ...);
        encoder.end_sequence();
      },
      message.payload);
  EXPECT_TRUE(encoded.ok());
  const FunctionName& function = FunctionName::intern(name);
  message.header.codec = codec->id();
  message.header.function_id = function.id;
  node.start_call(*pool_new<UntypedCall>(function, unknown, result), "b", std::move(message));
  return result;
}

TEST_F(NodeErrorTest, TheWrongArgumentsOfAnUntypedCallAreNamed) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  EXPECT_TRUE(error_of(call_untyped(*a, "add", 1, 2)).ok());
  const Status count = error_of(call_untyped(*a, "add", 1));
  EXPECT_EQ(count.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(count.message(), "add(int32, int32) -> int32: it takes 2 arguments and got 1");
  const Status type = error_of(call_untyped(*a, "add", 1, std::string("x")));
  EXPECT_THAT(type.message(), AllOf(HasSubstr("add(int32, int32) -> int32"), HasSubstr("[1]"), HasSubstr("a string")));
  EXPECT_THAT(error_of(call_untyped(*a, "add", 1, std::int64_t{1} << 40)).message(), HasSubstr("does not fit int32"));
}

// ---- 5: exceptions.

TEST_F(NodeErrorTest, B05_AnExceptionArrivesWithTypeMessageAndPlace) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("direct", []() -> int { throw std::out_of_range("too far"); }).ok());
    ASSERT_TRUE(table.add("async", []() -> Future<int> { throw std::out_of_range("too far"); }).ok());
    ASSERT_TRUE(table
                    .add("callback",
                         [] { return Future<int>::of(1).then([](int) -> int { throw std::out_of_range("too far"); }); })
                    .ok());
    ASSERT_TRUE(table.add("pool", blocking([]() -> int { throw std::out_of_range("too far"); })).ok());
  });
  for (const char* name : {"direct", "async", "callback", "pool"}) {
    const Status status = error_of(rpc_async(*a, "b", remote<int()>(name)));
    EXPECT_EQ(status.to_string(), "UNKNOWN: too far [std::out_of_range]\n    at node b, function " + std::string(name));
  }
}

TEST_F(NodeErrorTest, B05_TypeAndTrailSurviveEveryHop) {
  NodeOptions middle = options("b");
  introduce(middle, "c");
  const auto c = start(options("c"), [](FunctionTable& table) {
    ASSERT_TRUE(table.add("deepest", [](int) -> int { throw std::out_of_range("too far"); }).ok());
  });
  start_pair(options("a"), std::move(middle), [](FunctionTable& table) {
    ASSERT_TRUE(table.add("passes", [](int x) { return rpc_async("c", remote<int(int)>("deepest"), x); }).ok());
    ASSERT_TRUE(
        table
            .add("chains",
                 [](int x) { return rpc_async("c", remote<int(int)>("deepest"), x).then([](int y) { return y; }); })
            .ok());
    ASSERT_TRUE(table.add("waits", blocking([](int x) { return rpc_sync("c", remote<int(int)>("deepest"), x); })).ok());
    ASSERT_TRUE(
        table
            .add("completes",
                 [](int x) {
                   Future<int> ret;
                   rpc_async("c", remote<int(int)>("deepest"), x).add_callback([ret](int y) { ret.mark_complete(y); });
                   return ret;
                 })
            .ok());
  });
  for (const char* name : {"passes", "chains", "waits", "completes"}) {
    const Status status = error_of(rpc_async(*a, "b", remote<int(int)>(name), 1));
    EXPECT_EQ(status.to_string(),
              "UNKNOWN: too far [std::out_of_range]\n    at node c, function deepest\n    at node b, function " +
                  std::string(name));
  }
}

TEST_F(NodeErrorTest, B06_MarkErrorMakesTheCallFail) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table
                    .add("fails",
                         [] {
                           Future<int> ret;
                           ret.mark_error(Status(StatusCode::kNotFound, "no such key").with_type("demo::NoKey"));
                           return ret;
                         })
                    .ok());
  });
  const Status status = error_of(rpc_async(*a, "b", remote<int()>("fails")));
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.type(), "demo::NoKey");
}

TEST_F(NodeErrorTest, AnErrorThatSaysOkIsAnErrorNevertheless) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("throws", []() -> int { throw RpcError(Status()); }).ok());
    ASSERT_TRUE(table.add("returns", []() -> Result<int> { return std::unexpected(Status()); }).ok());
    ASSERT_TRUE(
        table
            .add("later",
                 [] { return Future<int>::of(1).then([](int) -> Result<int> { return std::unexpected(Status()); }); })
            .ok());
  });
  for (const char* name : {"throws", "returns", "later"}) {
    const Status status = error_of(rpc_async(*a, "b", remote<int()>(name)));
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.trail().size(), 1U) << name;
  }
}

TEST_F(NodeErrorTest, B04_ADroppedPromiseFailsTheCallAtOnce) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("forgets", [] { return Future<int>(); }).ok()); });
  const Status status = error_of(rpc_async(*a, "b", remote<int()>("forgets")));
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("broken promise"), HasSubstr("node_error_test.cpp")));
}

// ---- 10: what cannot be encoded or decoded.

struct Picky {
  int value = 0;
};

}  // namespace

template <>
struct Value<Picky> {
  static void encode(Encoder& encoder, const Picky& picky) {
    if (picky.value == 1) throw std::domain_error("will not be encoded");
    if (picky.value == 2) encoder.fail(Status(StatusCode::kInvalidArgument, "cannot be carried"));
    encoder.integer(picky.value);
  }
  static void decode(Decoder& decoder, Picky& picky) {
    picky.value = static_cast<int>(decoder.integer());
    if (picky.value == 3) throw std::domain_error("will not be decoded");
  }
  static void describe(std::string& out) { out += "picky"; }
};

namespace {

TEST_F(NodeErrorTest, B10_AResultThatCannotBeEncodedIsTheCallersError) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("direct", [](int x) { return Picky{x}; }).ok());
    ASSERT_TRUE(table.add("later", [](int x) { return Future<void>::of().then([x] { return Picky{x}; }); }).ok());
    ASSERT_TRUE(table.add("pool", blocking([](int x) { return Picky{x}; })).ok());
  });
  for (const char* name : {"direct", "later", "pool"}) {
    const auto function = remote<Picky(int)>(name);
    const Status thrown = error_of(rpc_async(*a, "b", function, 1));
    EXPECT_EQ(thrown.type(), "std::domain_error");
    EXPECT_THAT(thrown.message(),
                HasSubstr("the result of " + std::string(name) + " cannot be sent: will not be encoded"));
    EXPECT_THAT(error_of(rpc_async(*a, "b", function, 2)).message(), HasSubstr("cannot be carried"));
    EXPECT_EQ(rpc_sync(*a, "b", function, 7).value, 7);
  }
  EXPECT_EQ(b->statistics().requests_in_flight, 0U);
}

TEST_F(NodeErrorTest, AResultThatCannotBeDecodedFailsTheCall) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("make", [](int x) { return Picky{x}; }).ok()); });
  const Status status = error_of(rpc_async(*a, "b", remote<Picky(int)>("make"), 3));
  EXPECT_THAT(status.message(), HasSubstr("will not be decoded"));
  EXPECT_EQ(a->statistics().calls_in_flight, 0U);
}

TEST_F(NodeErrorTest, ArgumentsThatCannotBeEncodedFailTheFutureAndDoNotThrow) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("take", [](Picky x) { return x.value; }).ok()); });
  const auto take = remote<int(Picky)>("take");
  Status status;
  EXPECT_NO_THROW(status = error_of(rpc_async(*a, "b", take, Picky{1})));
  EXPECT_EQ(status.type(), "std::domain_error");
  EXPECT_THAT(status.message(), HasSubstr("the arguments of take(picky) -> int32 cannot be sent"));
  EXPECT_THAT(error_of(rpc_async(*a, "b", take, Picky{2})).message(), HasSubstr("cannot be carried"));
  EXPECT_THAT(error_of(rpc_async(*a, "b", take, Picky{3})).message(), HasSubstr("will not be decoded"));
  EXPECT_EQ(rpc_sync(*a, "b", take, Picky{4}), 4);
}

// ---- Codecs.

TEST_F(NodeErrorTest, ACodecThatThisNodeDoesNotHave) {
  start_pair();
  const Status status = error_of(rpc_async(*a, to("b", {.codec = "xml"}), remote<void()>("f")));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("node a has no codec \"xml\", only flex, raw"));
}

TEST_F(NodeErrorTest, ACodecThatThePeerDoesNotHave) {
  NodeOptions server = options("b");
  server.codecs = {make_flex_codec()};
  start_pair(options("a"), std::move(server));
  const Status status = error_of(rpc_async(*a, to("b", {.codec = "raw"}), remote<void(Buffer)>("f"), Buffer()));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("call of f at b (inproc://b): the peer does not know codec"));
}

TEST_F(NodeErrorTest, WhatACodecCannotCarryIsSaid) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  const Status status = error_of(rpc_async(*a, to("b", {.codec = "raw"}), add_numbers, 1, 2));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("the arguments of add"), HasSubstr("codec raw")));
}

// ---- Where one may not wait, and without a node.

TEST_F(NodeErrorTest, RpcSyncOnTheKernelThreadThrowsAtOnce) {
  start_pair([](FunctionTable& table) {
    ASSERT_TRUE(table.add("add", &add_numbers).ok());
    ASSERT_TRUE(table.add("wrong", [](int x) { return rpc_sync("b", add_numbers, x, 1); }).ok());
    ASSERT_TRUE(table
                    .add("wrong_later",
                         [](int x) {
                           return Future<int>::of(x).then(
                               [](int y) { return rpc_async("b", add_numbers, y, 1).wait(); });
                         })
                    .ok());
  });
  for (const char* name : {"wrong", "wrong_later"}) {
    const Status status = error_of(rpc_async(*a, "b", remote<int(int)>(name), 1));
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(status.message(), AllOf(HasSubstr("kernel thread"), HasSubstr("blocking"))) << name;
  }
}

TEST_F(NodeErrorTest, WithoutANodeTheErrorSaysWhatToDo) {
  const Status async = error_of(rpc_async("b", add_numbers, 1, 2));
  const Status sync = thrown_by([] { return rpc_sync("b", remote<int(int)>("f"), 1); });
  for (const Status& status : {async, sync}) {
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.message(), HasSubstr("init_rpc()"));
  }
}

TEST_F(NodeErrorTest, TheProcessesNodeIsUsedElsewhere) {
  start_pair([](FunctionTable& table) { ASSERT_TRUE(table.add("add", &add_numbers).ok()); });
  LoopHandle::set_process_default(&a->loop());
  EXPECT_EQ(Node::current(), a.get());
  EXPECT_EQ(rpc_sync("b", add_numbers, 1, 2), 3);
  EXPECT_EQ(rpc_async("b", add_numbers, 1, 2).then([](int x) { return x * 2; }).wait(kHang), 6);
  a.reset();
  EXPECT_EQ(Node::current(), nullptr);
  EXPECT_EQ(error_of(rpc_async("b", add_numbers, 1, 2)).code(), StatusCode::kFailedPrecondition);
  LoopHandle::set_process_default(nullptr);
}

}  // namespace
}  // namespace onward
