// SPDX-License-Identifier: Apache-2.0
//
// From plain C++ functions to what a node can call: names, ids, signatures, run modes, and one call as
// its function sees it.
#include "onward/function.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "onward/flex/flex_codec.h"
#include "onward/typed_function.h"

namespace onward {
namespace {

using ::testing::HasSubstr;

int add(int a, int b) { return a + b; }
Future<int> add_async(int a, int b) { return Future<int>::of(a + b); }
void nothing() {}
Status check(const std::string& /*text*/) { return {}; }
Result<double> half(double x) { return x / 2; }
std::map<std::string, std::vector<std::int64_t>> big(std::optional<bool> /*a*/, std::tuple<std::uint8_t, float> /*b*/) {
  return {};
}
Future<Future<Result<std::string>>> deep(std::string_view /*a*/, const Buffer& /*b*/) {
  return Future<Future<Result<std::string>>>();
}

const Function& only(const FunctionTable& table) {
  EXPECT_EQ(table.all().size(), 1U);
  return *table.all().begin()->second;
}

template <class F>
std::string signature_text(F function) {
  FunctionTable table;
  EXPECT_TRUE(table.add("f", function).ok());
  return only(table).signature().text;
}
template <class F>
RunMode mode_of(F function) {
  FunctionTable table;
  EXPECT_TRUE(table.add("f", std::move(function)).ok());
  return only(table).mode();
}

TEST(FunctionNameTest, IdsAreFnv1aOfTheName) {
  EXPECT_EQ(function_id(""), 0xCBF29CE484222325ULL);
  EXPECT_EQ(function_id("a"), 0xAF63DC4C8601EC8CULL);
  EXPECT_EQ(function_id("foobar"), 0x85944171F73967E8ULL);
}

TEST(FunctionNameTest, IsInterned) {
  const FunctionName& first = FunctionName::intern("demo.f");
  EXPECT_EQ(&first, &FunctionName::intern(std::string("demo.") + "f"));
  EXPECT_NE(&first, &FunctionName::intern("demo.g"));
  EXPECT_EQ(first.name, "demo.f");
  EXPECT_EQ(first.id, function_id("demo.f"));
}

TEST(FunctionNameTest, HasOneTo255Bytes) {
  EXPECT_NO_THROW(static_cast<void>(FunctionName::intern(std::string(255, 'x'))));
  for (const std::string& name : {std::string(), std::string(256, 'x')}) {
    try {
      static_cast<void>(FunctionName::intern(name));
      ADD_FAILURE();
    } catch (const RpcError& error) {
      EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
    }
  }
}

TEST(SignatureTest, ReadsLikeTheFunction) {
  EXPECT_EQ(signature_text(&add), "(int32, int32) -> int32");
  EXPECT_EQ(signature_text(&add_async), "(int32, int32) -> int32");
  EXPECT_EQ(signature_text(blocking(&add)), "(int32, int32) -> int32");
  EXPECT_EQ(signature_text(&nothing), "() -> void");
  EXPECT_EQ(signature_text(&check), "(string) -> void");
  EXPECT_EQ(signature_text(&half), "(float64) -> float64");
  EXPECT_EQ(signature_text(&big), "(optional<bool>, (uint8, float32)) -> map<string, list<int64>>");
  EXPECT_EQ(signature_text(&deep), "(string, bytes) -> string");
  EXPECT_EQ(signature_text([](int) noexcept { return true; }), "(int32) -> bool");
  EXPECT_EQ(signature_text([n = 0](int) mutable { return ++n; }), "(int32) -> int32");
  EXPECT_EQ(signature_text(std::function<long(short)>([](short) { return 1L; })), "(int16) -> int64");
}

TEST(SignatureTest, HashesDifferAndAreNeverZero) {
  const Signature a("(int32) -> int32");
  const Signature b("(int64) -> int32");
  EXPECT_NE(a.hash, b.hash);
  EXPECT_EQ(a.hash, Signature("(int32) -> int32").hash);
  for (int i = 0; i < 1000; ++i) EXPECT_NE(Signature(std::to_string(i)).hash, 0U);
}

TEST(RunModeTest, FollowsFromTheType) {
  EXPECT_EQ(mode_of(&add), RunMode::kDirect);
  EXPECT_EQ(mode_of(&nothing), RunMode::kDirect);
  EXPECT_EQ(mode_of(&half), RunMode::kDirect);
  EXPECT_EQ(mode_of(&add_async), RunMode::kAsync);
  EXPECT_EQ(mode_of(&deep), RunMode::kAsync);
  EXPECT_EQ(mode_of([](int x) { return Future<int>::of(x); }), RunMode::kAsync);
  EXPECT_EQ(mode_of(blocking(&add)), RunMode::kBlocking);
  EXPECT_EQ(mode_of(blocking([](int x) { return x; })), RunMode::kBlocking);
  EXPECT_EQ(mode_of(blocking(&add_async)), RunMode::kBlocking);
  EXPECT_EQ(to_string(RunMode::kDirect), "direct");
  EXPECT_EQ(to_string(RunMode::kAsync), "async");
  EXPECT_EQ(to_string(RunMode::kBlocking), "blocking");
}

TEST(FunctionTableTest, FindsByIdAndAddress) {
  FunctionTable table;
  ASSERT_TRUE(table.add("add", &add, "Adds.").ok());
  ASSERT_TRUE(table.add("plus", blocking(&add_async)).ok());
  ASSERT_TRUE(table.add("lambda", [](int x) { return x; }).ok());
  const Function* found = table.find(function_id("add"));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->name().name, "add");
  EXPECT_EQ(found->documentation(), "Adds.");
  EXPECT_EQ(table.find_address(reinterpret_cast<const void*>(&add)), found);
  EXPECT_EQ(table.find_address(reinterpret_cast<const void*>(&add_async)), table.find(function_id("plus")));
  EXPECT_EQ(table.find_address(reinterpret_cast<const void*>(&nothing)), nullptr);
  EXPECT_EQ(table.find(function_id("sub")), nullptr);
  EXPECT_EQ(table.all().size(), 3U);
}

TEST(FunctionTableTest, OneNameIsRegisteredOnce) {
  FunctionTable table;
  ASSERT_TRUE(table.add("f", &add).ok());
  const Status twice = table.add("f", &add_async);
  EXPECT_EQ(twice.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(twice.message(), HasSubstr("\"f\" is registered twice"));
  EXPECT_EQ(table.find_address(reinterpret_cast<const void*>(&add_async)), nullptr);
}

TEST(FunctionTableTest, OneFunctionMayHaveTwoNamesAndIsKnownByTheFirst) {
  FunctionTable table;
  ASSERT_TRUE(table.add("first", &add).ok());
  ASSERT_TRUE(table.add("second", &add).ok());
  EXPECT_EQ(table.find_address(reinterpret_cast<const void*>(&add))->name().name, "first");
}

struct Idle final : Function {
  Idle(const FunctionName& name, const Signature& signature) : Function(name, signature, RunMode::kDirect, "") {}
  void invoke(IncomingCall&) const noexcept override {}
};

TEST(FunctionTableTest, TwoNamesWithOneIdAreRefused) {
  FunctionTable table;
  const Signature signature("() -> void");
  FunctionName first;
  first.name = "one";
  first.id = 42;
  FunctionName second;
  second.name = "two";
  second.id = 42;
  ASSERT_TRUE(table.insert(std::make_unique<Idle>(first, signature), nullptr).ok());
  const Status collision = table.insert(std::make_unique<Idle>(second, signature), nullptr);
  EXPECT_EQ(collision.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(collision.message(), HasSubstr("\"two\" and \"one\" have the same id: rename one"));
  EXPECT_EQ(table.find(42)->name().name, "one");
}

TEST(FunctionTableTest, IsClosedOnceFrozen) {
  FunctionTable table;
  table.freeze();
  EXPECT_EQ(table.add("f", &add).code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(table.all().empty());
}

// ---- One call, without a node.

class Sink final : public ReplySink {
 public:
  explicit Sink(const Codec& codec) : codec_(codec) {}
  void send_result(std::uint64_t call_id, const Codec&, const FunctionName&,
                   FunctionRef<void(Encoder&)> write) override {
    ++answers;
    last_id = call_id;
    error = codec_.encode(write, result);
  }
  void send_payload(std::uint64_t call_id, const Codec&, const FunctionName&, Payload&& payload) override {
    ++answers;
    last_id = call_id;
    result = std::move(payload);
  }
  void send_error(std::uint64_t call_id, const FunctionName&, const Status& status) override {
    ++answers;
    last_id = call_id;
    error = status;
  }
  bool may_call(const Function&) override { return true; }
  bool park(detail::ParkedReply& reply) noexcept override {
    parked = &reply;
    return true;
  }
  void unpark(detail::ParkedReply& reply, Unpark) noexcept override {
    EXPECT_EQ(&reply, parked);
    parked = nullptr;
  }
  const Codec& codec(std::uint8_t id) const noexcept override {
    EXPECT_EQ(id, codec_.id());
    return codec_;
  }
  void retain() noexcept override { ++references; }
  void release() noexcept override { --references; }

  template <class T>
  T value() {
    EXPECT_TRUE(error.ok()) << error.to_string();
    T read{};
    InboundMessage message{
        .header = {}, .body = result.body.bytes(), .storage = &result.body, .segments = result.segments};
    EXPECT_TRUE(codec_.decode(message, [&](Decoder& decoder) { decode_value(decoder, read); }).ok());
    return read;
  }

  detail::ParkedReply* parked = nullptr;
  int answers = 0;
  int references = 0;
  std::uint64_t last_id = 0;
  Status error;
  Payload result;

 private:
  const Codec& codec_;
};

class InvokeTest : public test::LoopTest {
 protected:
  template <class F, class... Args>
  void invoke(F function, const Args&... args) {
    ASSERT_TRUE(table_.add("f", std::move(function)).ok());
    Payload payload;
    ASSERT_TRUE(codec
                    ->encode(
                        [&](Encoder& encoder) {
                          encoder.begin_sequence(sizeof...(Args));
                          (encode_value(encoder, args), ...);
                          encoder.end_sequence();
                        },
                        payload)
                    .ok());
    InboundMessage message{
        .header = {}, .body = payload.body.bytes(), .storage = &payload.body, .segments = payload.segments};
    message.header.call_id = 5;
    const test::RunsFor in_call(loop.handle(), nullptr, TimePoint::max(), codec->id(), nullptr,
                                static_cast<ReplySink*>(&sink));
    IncomingCall call{.sink = sink, .codec = *codec, .message = message, .pool = pool};
    table_.find(function_id("f"))->invoke(call);
  }

  std::unique_ptr<Codec> codec = make_flex_codec();
  Sink sink{*codec};
  Pool pool{loop.handle(), "p", {}};

 private:
  FunctionTable table_;
};

TEST_F(InvokeTest, ADirectFunctionAnswersAtOnce) {
  invoke(&add, 1, 2);
  EXPECT_EQ(sink.answers, 1);
  EXPECT_EQ(sink.last_id, 5U);
  EXPECT_EQ(sink.value<int>(), 3);
  EXPECT_EQ(sink.references, 0);
}

TEST_F(InvokeTest, ACompletedFutureAnswersAtOnce) {
  invoke(&add_async, 1, 2);
  EXPECT_EQ(sink.answers, 1);
  EXPECT_EQ(sink.value<int>(), 3);
  EXPECT_EQ(sink.parked, nullptr);
}

TEST_F(InvokeTest, AFutureThatIsNotDoneParksTheCall) {
  Future<int> later;
  invoke([later](int) { return later; }, 1);
  EXPECT_EQ(sink.answers, 0);
  EXPECT_NE(sink.parked, nullptr);
  EXPECT_EQ(sink.references, 1);
  later.mark_complete(9);
  EXPECT_EQ(sink.answers, 0);
  settle();
  EXPECT_EQ(sink.answers, 1);
  EXPECT_EQ(sink.value<int>(), 9);
  EXPECT_EQ(sink.parked, nullptr);
  EXPECT_EQ(sink.references, 0);
}

TEST_F(InvokeTest, AParkedCallCanBeAbandonedAndALateCompletionIsDropped) {
  const Future<int> later;
  invoke([later] { return later; });
  ASSERT_NE(sink.parked, nullptr);
  sink.parked->abandon(Status(StatusCode::kUnavailable, "stopping"));
  settle();
  EXPECT_EQ(sink.error.to_string(), "UNAVAILABLE: stopping");
  EXPECT_NO_THROW(later.mark_complete(1));
  settle();
  EXPECT_EQ(sink.answers, 1);
}

TEST_F(InvokeTest, TheWrongNumberOfArgumentsIsNamed) {
  invoke(&add, 1);
  EXPECT_EQ(sink.error.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(sink.error.message(), "f(int32, int32) -> int32: it takes 2 arguments and got 1");
}

TEST_F(InvokeTest, AWrongArgumentIsNamed) {
  invoke(&add, 1, std::string("two"));
  EXPECT_EQ(sink.error.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(sink.error.message(), HasSubstr("f(int32, int32) -> int32: "));
  EXPECT_THAT(sink.error.message(), HasSubstr("[1]"));
}

TEST_F(InvokeTest, ExceptionsAreTheAnswer) {
  invoke([](int) -> int { throw std::out_of_range("far"); }, 1);
  EXPECT_EQ(sink.answers, 1);
  EXPECT_EQ(sink.error.type(), "std::out_of_range");
}

TEST_F(InvokeTest, AnAsyncFunctionThatThrowsBeforeItReturnsIsTheSame) {
  invoke([](int) -> Future<int> { throw std::out_of_range("far"); }, 1);
  EXPECT_EQ(sink.answers, 1);
  EXPECT_EQ(sink.error.type(), "std::out_of_range");
}

TEST_F(InvokeTest, ABlockingFunctionRunsOnThePool) {
  test::Event ran;
  std::thread::id where;
  invoke(blocking([&](int x) {
           where = std::this_thread::get_id();
           ran.set();
           return x;
         }),
         4);
  EXPECT_EQ(sink.answers, 0);
  ASSERT_TRUE(ran.wait());
  pool.stop();
  settle();
  EXPECT_EQ(sink.value<int>(), 4);
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(InvokeTest, VoidStatusAndResultAreAnswers) {
  invoke([] { return Status(StatusCode::kAborted, "no"); });
  EXPECT_EQ(sink.error.message(), "no");
}

}  // namespace
}  // namespace onward
