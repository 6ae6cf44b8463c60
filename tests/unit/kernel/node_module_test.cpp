// SPDX-License-Identifier: Apache-2.0
//
// Modules in a node: their order, their arguments, and what happens when one does not start or stop.
#include "node_fixture.h"

namespace onward {
namespace {

using namespace std::chrono_literals;
using test::error_of;
using test::kHang;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What the modules below did, in order. One test at a time; all on the node's thread, joined before it is read.
std::vector<std::string>& happened() {
  static std::vector<std::string> list;
  return list;
}

template <char kName>
class Noting final : public Module {
 public:
  Status start(ModuleContext& context) override {
    happened().push_back(std::string("start ") + kName);
    greeting_ = context.arguments().get<std::string>("greeting");
    if (context.arguments().get<bool>("fail")) return {StatusCode::kNotFound, "its folder is gone"};
    if (context.arguments().get<bool>("throw")) throw std::out_of_range("cannot count");
    on_kernel_thread_ = EventLoop::current() != nullptr && Node::current() == &context.node();
    return context.functions().add(std::string(1, kName),
                                   [this] { return on_kernel_thread_ ? greeting_ : "not there"; });
  }
  Future<void> stop() override {
    happened().push_back(std::string("stop ") + kName);
    return Future<void>::of();
  }
  ~Noting() override { happened().push_back(std::string("gone ") + kName); }

 private:
  std::string greeting_;
  bool on_kernel_thread_ = false;
};

constexpr Parameter kParameters[] = {
    parameter("greeting", "Hello", "what it answers"),
    parameter("fail", false, "whether start() fails"),
    parameter("throw", false, "whether start() throws"),
};
ONWARD_MODULE(x, .version = "1.0", .summary = "notes", .create = make_module<Noting<'x'>>, .parameters = kParameters);
ONWARD_MODULE(y, .version = "1.0", .summary = "notes", .create = make_module<Noting<'y'>>, .parameters = kParameters);
ONWARD_MODULE(z, .version = "1.0", .summary = "notes", .create = make_module<Noting<'z'>>, .parameters = kParameters);
constexpr const ModuleDescriptor& module_x = onward_module_x;
constexpr const ModuleDescriptor& module_y = onward_module_y;
constexpr const ModuleDescriptor& module_z = onward_module_z;

class NodeModuleTest : public test::NodeTest {
 protected:
  NodeModuleTest() { happened().clear(); }
  Status start_with(std::vector<NodeOptions::ModuleUse> modules) {
    NodeOptions with = options("b");
    with.modules = std::move(modules);
    b = std::make_unique<Node>(std::move(with));
    return b->start();
  }
  static Setting on(const char* origin) { return {true, origin}; }
};

TEST_F(NodeModuleTest, StartInOrderAndStopInReverse) {
  ASSERT_TRUE(start_with({{&module_x}, {&module_y}, {&module_z}}).ok());
  b->stop();
  EXPECT_THAT(happened(),
              ElementsAre("start x", "start y", "start z", "stop z", "gone z", "stop y", "gone y", "stop x", "gone x"));
}

TEST_F(NodeModuleTest, RegisterFunctionsAndReadArguments) {
  ASSERT_TRUE(start_with({{&module_x, {{"greeting", {std::string("Good day"), "n.toml:3"}}}}, {&module_y}}).ok());
  a = start(options("a"));
  EXPECT_EQ(rpc_sync(*a, "inproc://b", remote<std::string()>("x")), "Good day");
  EXPECT_EQ(rpc_sync(*a, "inproc://b", remote<std::string()>("y")), "Hello");
}

TEST_F(NodeModuleTest, OneThatFailsStopsTheNodeWithItsError) {
  for (const char* how : {"fail", "throw"}) {
    happened().clear();
    const Status status = start_with({{&module_x}, {&module_y, {{how, on("n.toml:7")}}}, {&module_z}});
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr("module \"y\" did not start: "));
    EXPECT_THAT(happened(), ElementsAre("start x", "start y", "gone y", "stop x", "gone x")) << how;
    EXPECT_EQ(error_of(rpc_async(*b, "b", remote<std::string()>("x"))).code(), StatusCode::kUnavailable);
  }
}

TEST_F(NodeModuleTest, TheErrorKeepsItsCodeAndType) {
  EXPECT_EQ(start_with({{&module_x, {{"fail", on("n.toml:7")}}}}).code(), StatusCode::kNotFound);
  EXPECT_EQ(start_with({{&module_x, {{"throw", on("n.toml:7")}}}}).type(), "std::out_of_range");
}

TEST_F(NodeModuleTest, AnArgumentThatItDoesNotHaveIsAnErrorWithItsLine) {
  const Status status = start_with({{&module_x}, {&module_y, {{"greting", {std::string("Hi"), "n.toml:9"}}}}});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              HasSubstr("n.toml:9: module \"y\": the key \"greting\" is not known; did you mean \"greeting\"?"));
  EXPECT_THAT(happened(), IsEmpty());
}

TEST_F(NodeModuleTest, AnArgumentOfTheWrongTypeIsAnErrorWithItsLine) {
  const Status status = start_with({{&module_x, {{"greeting", {std::int64_t{3}, "n.toml:4"}}}}});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("n.toml:4: module \"x\": greeting must be a string, not 3"));
}

TEST_F(NodeModuleTest, OneTwiceIsAnError) {
  const Status status = start_with({{&module_x}, {&module_x}});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("the module \"x\" is there twice"));
}

TEST_F(NodeModuleTest, OneOfAnotherInterfaceIsRefused) {
  ModuleDescriptor old = module_x;
  old.abi.version = kModuleAbiVersion + 1;
  const Status status = start_with({{&old}});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("module interface " + std::to_string(kModuleAbiVersion + 1)),
                                      HasSubstr("module interface " + std::to_string(kModuleAbiVersion))));
  EXPECT_THAT(happened(), IsEmpty());
}

TEST_F(NodeModuleTest, AListenerThatFailsStopsThemAgain) {
  a = start(options("b"));  // has the address
  const Status status = start_with({{&module_x}});
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), HasSubstr("inproc://b"));
  EXPECT_THAT(happened(), ElementsAre("start x", "stop x", "gone x"));
}

TEST_F(NodeModuleTest, ListeningWithoutItsTransportIsAnError) {
  NodeOptions wrong = options("b");
  wrong.listen = {"smoke://signal"};
  b = std::make_unique<Node>(std::move(wrong));
  const Status status = b->start();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("no transport \"smoke\", only inproc, tcp"));
}

// ---- Stopping.

struct StopPlan {
  std::function<Future<void>()> stop;
};
StopPlan& plan() {
  static StopPlan one;
  return one;
}

class Stopping final : public Module {
 public:
  Status start(ModuleContext& context) override {
    return context.functions().add("alive", [] { return true; });
  }
  Future<void> stop() override { return plan().stop(); }
};
ONWARD_MODULE(stopping, .version = "1.0", .summary = "stops as it is told", .create = make_module<Stopping>);
constexpr const ModuleDescriptor& module_stopping = onward_module_stopping;

TEST_F(NodeModuleTest, TheNodeWaitsForAModuleThatStopsLater) {
  test::Event asked;
  Future<void> stopped(static_cast<LoopHandle*>(nullptr));
  plan().stop = [&] {
    asked.set();
    return stopped;
  };
  ASSERT_TRUE(start_with({{&module_x}, {&module_stopping}}).ok());
  std::thread stopper([&] { b->stop(kHang); });
  ASSERT_TRUE(asked.wait());
  EXPECT_THAT(happened(), ElementsAre("start x"));
  stopped.mark_complete();
  stopper.join();
  EXPECT_THAT(happened(), ElementsAre("start x", "stop x", "gone x"));
}

TEST_F(NodeModuleTest, AModuleThatFailsToStopIsLogged) {
  for (const bool throws : {false, true}) {
    plan().stop = [throws]() -> Future<void> {
      if (throws) throw std::runtime_error("stuck fast");
      return Future<void>::failed(Status(StatusCode::kInternal, "stuck fast"));
    };
    ASSERT_TRUE(start_with({{&module_stopping}}).ok());
    b->stop();
  }
  EXPECT_EQ(lines.count("module stopping did not stop well"), 2U) << lines.text();
  EXPECT_EQ(lines.count("stuck fast"), 2U);
}

TEST_F(NodeModuleTest, AModuleThatNeverStopsIsLeftBehind) {
  const Future<void> never(static_cast<LoopHandle*>(nullptr));
  plan().stop = [never] { return never; };
  ASSERT_TRUE(start_with({{&module_stopping}}).ok());
  b->stop(0s);
  EXPECT_TRUE(lines.wait_for("has not stopped in time"));
  b.reset();
  never.try_complete({});  // when there is no node any more
  plan().stop = {};
}

TEST_F(NodeModuleTest, AModuleMayCallWhileItStops) {
  a = start(options("a"), [](FunctionTable& table) { ASSERT_TRUE(table.add("bye", [] { return 1; }).ok()); });
  Status status;
  plan().stop = [&] {
    Future<void> done;
    rpc_async("inproc://a", remote<int()>("bye")).on_done([done, &status](const auto& result) {
      status = result ? Status() : result.error();
      done.mark_complete();
    });
    return done;
  };
  ASSERT_TRUE(start_with({{&module_stopping}}).ok());
  b->stop();
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kUnavailable) << status.to_string();
  plan().stop = {};
}

}  // namespace
}  // namespace onward
