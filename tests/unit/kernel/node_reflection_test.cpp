// SPDX-License-Identifier: Apache-2.0
//
// What a node answers when it is asked what it is.
#include "known_transport.h"
#include "node_fixture.h"
#include "onward/value.h"
#include "onward/value_dynamic.h"

namespace onward::test {

// What onward.describe gives, as a program would read it.
struct FunctionEntry {
  std::string name;
  std::string signature;
  std::vector<std::string> structs;
  std::string runs;
  std::string documentation;
  std::string module;
};
ONWARD_MEMBERS(FunctionEntry, name, signature, structs, runs, documentation, module)

struct CodecEntry {
  std::string name;
  std::uint8_t id = 0;
};
ONWARD_MEMBERS(CodecEntry, name, id)

struct ModuleEntry {
  std::string name;
  std::string version;
  std::string summary;
  std::string origin;
  std::string trouble;
};
ONWARD_MEMBERS(ModuleEntry, name, version, summary, origin, trouble)

struct Description {
  std::string node;
  std::string version;
  std::uint32_t module_abi = 0;
  std::vector<FunctionEntry> functions;
  std::vector<std::string> nearest;
  std::vector<ModuleEntry> modules;
  std::vector<std::string> transports;
  std::vector<std::string> listening;
  std::vector<CodecEntry> codecs;
  std::map<std::string, std::optional<std::int64_t>> limits;
};
ONWARD_MEMBERS(Description, node, version, module_abi, functions, nearest, modules, transports, listening, codecs,
               limits)

struct Colour {
  float red = 0;
};
ONWARD_MEMBERS(Colour, red)
struct Shape {
  std::vector<std::string> names;
  std::optional<Colour> fill;
};
ONWARD_MEMBERS(Shape, names, fill)

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const PeerIdentity kFront{.names = {"front"}, .names_nodes = true};

void add_functions(FunctionTable& table) {
  table.add("math.add", add_numbers, "Adds two numbers.").throw_if_error();
  table.add("math.add_later", [](int x, int y) { return Future<int>::of(x + y); }).throw_if_error();
  table.add("draw", blocking([](const Shape&, const std::vector<Shape>&) {}), "Draws.").throw_if_error();
}

class Painter final : public Module {
 public:
  Status start(ModuleContext& context) override {
    return context.functions().add("paint", [](std::string what) { return what; });
  }
};
ONWARD_MODULE(painter, .version = "2.5", .summary = "paints", .create = make_module<Painter>);
class Sulker final : public Module {
 public:
  Status start(ModuleContext&) override { return {StatusCode::kNotFound, "no brush"}; }
};
ONWARD_MODULE(sulker, .version = "1.0", .summary = "sulks", .create = make_module<Sulker>);

class NodeReflection : public NodeTest {
 protected:
  template <class R = Description, class... Args>
  Future<R> describe(const Args&... arguments) {
    return rpc_async(*a, "b", remote<DynamicValue(Args...)>("onward.describe"), arguments...)
        .then([](const DynamicValue& answer) { return as<R>(answer); });
  }
  template <class R>
  static R as(const DynamicValue& answer) {
    const auto codec = make_flex_codec();
    Message message;
    codec->encode([&](Encoder& out) { encode_value(out, answer); }, message.payload).throw_if_error();
    const Buffer& body = message.payload.body;
    InboundMessage inbound{.header = {}, .body = body.bytes(), .storage = &body};
    R result;
    codec->decode(inbound, [&](Decoder& in) { decode_value(in, result); }).throw_if_error();
    return result;
  }
  static std::vector<std::string> names(const Description& description) {
    std::vector<std::string> list;
    list.reserve(description.functions.size());
    for (const FunctionEntry& function : description.functions) list.push_back(function.name);
    return list;
  }
  // A server that takes its peer, who is named front, for `peer`.
  NodeOptions server_for(const PeerIdentity& peer) {
    NodeOptions server = options("b");
    server.transports = {[peer, make = server.transports.front()](EventLoop& loop, const MessageLimits& limits) {
      return std::make_unique<KnownTransport>(make(loop, limits), peer, true);
    }};
    return server;
  }
};

TEST_F(NodeReflection, TellsAllOfANode) {
  NodeOptions server = options("b");
  server.listen.emplace_back("tcp://127.0.0.1:0");
  server.limits.max_body_bytes = 1 << 20;
  server.limits.max_message_bytes = 1 << 21;
  server.per_connection.max_in_flight = 77;
  server.max_waiting_calls = 78;
  server.pool = {.threads = 3, .queue_limit = 79};
  server.timeout = std::chrono::milliseconds(1234);
  start_pair(options("a"), std::move(server), add_functions);

  const Description b_is = describe(std::string()).wait(kHang);
  EXPECT_EQ(b_is.node, "b");
  EXPECT_EQ(b_is.version, kRelease);
  EXPECT_EQ(b_is.module_abi, kModuleAbiVersion);
  EXPECT_THAT(names(b_is), ElementsAre("draw", "math.add", "math.add_later"));
  EXPECT_THAT(b_is.nearest, IsEmpty());
  EXPECT_THAT(b_is.transports, ElementsAre("inproc", "tcp"));
  EXPECT_THAT(b_is.listening, ElementsAre("inproc://b", b->listening().at(1).to_string()));
  EXPECT_THAT(b_is.modules, IsEmpty());
  ASSERT_EQ(b_is.codecs.size(), 2U);
  EXPECT_EQ(b_is.codecs[0].name, "flex");
  EXPECT_EQ(b_is.codecs[0].id, 1);
  EXPECT_EQ(b_is.codecs[1].name, "raw");
  EXPECT_EQ(b_is.codecs[1].id, 3);
  EXPECT_THAT(b_is.limits,
              UnorderedElementsAre(Pair("max_body_bytes", 1 << 20), Pair("max_message_bytes", 1 << 21),
                                   Pair("max_in_flight", 77), Pair("max_waiting_calls", 78), Pair("pool_threads", 3),
                                   Pair("pool_queue_limit", 79), Pair("timeout_ms", 1234)));
}

TEST_F(NodeReflection, TellsHowEachFunctionIsCalledAndRuns) {
  start_pair(add_functions);
  const Description all = describe(std::string()).wait(kHang);
  ASSERT_EQ(all.functions.size(), 3U);
  const FunctionEntry& draw = all.functions[0];
  EXPECT_EQ(draw.signature, "(Shape, list<Shape>) -> void");
  EXPECT_EQ(draw.runs, "blocking");
  EXPECT_EQ(draw.documentation, "Draws.");
  EXPECT_THAT(draw.structs, ElementsAre("Shape{names: list<string>, fill: optional<Colour>}", "Colour{red: float32}"));
  EXPECT_EQ(all.functions[1].runs, "direct");
  EXPECT_THAT(all.functions[1].structs, IsEmpty());
  EXPECT_EQ(all.functions[2].runs, "async");
  EXPECT_EQ(all.functions[2].documentation, "");
}

TEST_F(NodeReflection, TellsOfModulesAndOfWhichAFunctionIs) {
  NodeOptions server = options("b");
  server.modules = {{.descriptor = &onward_module_painter},
                    {.descriptor = &onward_module_sulker, .optional = true, .file = "/lib/sulker.so"}};
  start_pair(options("a"), std::move(server), add_functions);
  const Description all = describe(std::string()).wait(kHang);
  ASSERT_EQ(all.modules.size(), 2U);
  EXPECT_EQ(all.modules[0].name, "painter");
  EXPECT_EQ(all.modules[0].version, "2.5");
  EXPECT_EQ(all.modules[0].summary, "paints");
  EXPECT_EQ(all.modules[0].origin, "linked in");
  EXPECT_EQ(all.modules[0].trouble, "");
  EXPECT_EQ(all.modules[1].name, "sulker");
  EXPECT_EQ(all.modules[1].origin, "/lib/sulker.so");
  EXPECT_EQ(all.modules[1].trouble, "no brush");
  EXPECT_THAT(names(all), ElementsAre("draw", "math.add", "math.add_later", "paint"));
  EXPECT_EQ(all.functions[0].module, "");
  EXPECT_EQ(all.functions[3].module, "painter");
}

TEST_F(NodeReflection, TellsOfOneFunction) {
  start_pair(add_functions);
  const Description one = describe(std::string("math.add")).wait(kHang);
  EXPECT_THAT(names(one), ElementsAre("math.add"));
  EXPECT_EQ(one.functions[0].signature, "(int32, int32) -> int32");
  EXPECT_EQ(one.node, "b");
  EXPECT_THAT(one.nearest, IsEmpty());
}

TEST_F(NodeReflection, TellsOfFunctionsThatWereAddedLater) {
  start_pair(add_functions);
  b->add_function(detail::make_function("late", [](int x) { return x; }, "Came late.")).wait(kHang);
  const Description all = describe(std::string()).wait(kHang);
  EXPECT_THAT(names(all), ElementsAre("draw", "late", "math.add", "math.add_later"));
  EXPECT_EQ(all.functions[1].signature, "(int32) -> int32");
  EXPECT_EQ(all.functions[1].documentation, "Came late.");
  EXPECT_EQ(all.functions[1].module, "");
  EXPECT_THAT(names(describe(std::string("late")).wait(kHang)), ElementsAre("late"));
  EXPECT_THAT(describe(std::string("lat")).wait(kHang).nearest, ElementsAre("late"));
}

TEST_F(NodeReflection, NamesWhatMayHaveBeenMeant) {
  start_pair(add_functions);
  const Description misspelt = describe(std::string("math.ad")).wait(kHang);
  EXPECT_THAT(names(misspelt), IsEmpty());
  EXPECT_THAT(misspelt.nearest, ElementsAre("math.add"));
  EXPECT_THAT(describe(std::string("add_later")).wait(kHang).nearest, ElementsAre("math.add_later"));
  EXPECT_THAT(describe(std::string("something.else")).wait(kHang).nearest, IsEmpty());
}

TEST_F(NodeReflection, IsListedOnlyWhenItIsAskedForByName) {
  start_pair();
  EXPECT_THAT(names(describe(std::string()).wait(kHang)), IsEmpty());
  const Description itself = describe(std::string("onward.describe")).wait(kHang);
  EXPECT_THAT(names(itself), ElementsAre("onward.describe"));
  EXPECT_EQ(itself.functions[0].signature, "(string) -> any");
  EXPECT_THAT(itself.functions[0].documentation, HasSubstr("What this node is"));
}

// As a command line calls it: without a signature.
Future<DynamicValue> call_untyped(Node& node, std::string_view codec, FunctionRef<void(Encoder&)> write) {
  static const Signature signature("(any...) -> any");
  const FunctionName& name = FunctionName::intern("onward.describe");
  Future<DynamicValue> future(&node.loop());
  Message message;
  const Codec* chosen = node.codec(codec).value();
  chosen->encode(write, message.payload).throw_if_error();
  message.header.codec = chosen->id();
  message.header.function_id = name.id;
  node.start_call(*pool_new<detail::TypedOutgoingCall<DynamicValue>>(name, signature, future), "b", std::move(message));
  return future;
}

TEST_F(NodeReflection, NeedsNoArgument) {
  start_pair(add_functions);
  const DynamicValue answer = call_untyped(*a, "flex", [](Encoder& out) {
                                out.begin_sequence(0);
                                out.end_sequence();
                              }).wait(kHang);
  EXPECT_EQ(names(as<Description>(answer)).size(), 3U);
}

TEST_F(NodeReflection, OtherArgumentsAreRefused) {
  start_pair(add_functions);
  const Status two = error_of(call_untyped(*a, "flex", [](Encoder& out) {
    out.begin_sequence(2);
    out.string("math.add");
    out.string("draw");
    out.end_sequence();
  }));
  EXPECT_EQ(two.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(two.message(), "onward.describe(string) -> any: it takes a function's name, or nothing");
  const Status number = error_of(call_untyped(*a, "flex", [](Encoder& out) {
    out.begin_sequence(1);
    out.integer(7);
    out.end_sequence();
  }));
  EXPECT_EQ(number.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(number.message(), HasSubstr("expected a string, found an integer"));
  const Status typed = error_of(rpc_async(*a, "b", remote<std::string(int)>("onward.describe"), 1));
  EXPECT_THAT(typed.message(), HasSubstr("onward.describe is (string) -> any at b"));
}

TEST_F(NodeReflection, ACodecWithoutMapsIsAClearError) {
  start_pair(add_functions);
  const Status error = error_of(call_untyped(*a, "raw", [](Encoder& out) {
    out.begin_sequence(0);
    out.end_sequence();
  }));
  EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("the result of onward.describe cannot be sent: codec raw carries one value"));
  EXPECT_THAT(error.message(), HasSubstr("use codec flex"));
}

TEST_F(NodeReflection, CanBeSwitchedOff) {
  NodeOptions server = options("b");
  server.reflection = false;
  start_pair(options("a"), std::move(server), add_functions);
  const Status error = error_of(describe(std::string()));
  EXPECT_EQ(error.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(error.message(), "reflection is switched off at this node");
  ASSERT_EQ(error.trail().size(), 1U);
  EXPECT_EQ(error.trail()[0].node, "b");
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int, int)>("math.add"), 1, 2), 3);
}

TEST_F(NodeReflection, ShowsOnlyWhatTheCallerMayCall) {
  NodeOptions server = server_for(kFront);
  ASSERT_TRUE(server.access.add("math.*", {"ops"}).ok());
  ASSERT_TRUE(server.access.add("math.add_later", {"front"}).ok());
  NodeOptions client = options("front");
  introduce(client, "b");
  start_pair(std::move(client), std::move(server), add_functions);
  EXPECT_THAT(names(describe(std::string()).wait(kHang)), ElementsAre("draw", "math.add_later"));
  const Description hidden = describe(std::string("math.add")).wait(kHang);
  EXPECT_THAT(names(hidden), IsEmpty());
  EXPECT_THAT(hidden.nearest, IsEmpty());
  // Itself it may call everything.
  const auto own = rpc_async(*b, "b", remote<DynamicValue(std::string)>("onward.describe"), std::string());
  EXPECT_EQ(names(as<Description>(own.wait(kHang))).size(), 3U);
}

TEST_F(NodeReflection, IsItselfUnderTheRules) {
  NodeOptions server = server_for(kFront);
  ASSERT_TRUE(server.access.add("onward.*", {"ops"}).ok());
  NodeOptions client = options("front");
  introduce(client, "b");
  start_pair(std::move(client), std::move(server), add_functions);
  const Status error = error_of(describe(std::string()));
  EXPECT_EQ(error.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("front may not call onward.describe here"));
  EXPECT_EQ(rpc_sync(*a, "b", remote<int(int, int)>("math.add"), 1, 2), 3);
}

TEST_F(NodeReflection, ItsNamesAreReserved) {
  Node node(options("b"));
  for (const char* name : {"onward.describe", "onward.anything", "onward."}) {
    const Status error = node.functions().add(name, add_numbers);
    EXPECT_EQ(error.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(error.message(), HasSubstr("\"" + std::string(name) +
                                           "\" cannot be registered: names that begin with "
                                           "\"onward.\" are the node's own"));
  }
  EXPECT_TRUE(node.functions().add("onward", add_numbers).ok());
  EXPECT_TRUE(node.functions().add("onwards.add", add_numbers).ok());
}

}  // namespace
}  // namespace onward::test
