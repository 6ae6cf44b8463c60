// SPDX-License-Identifier: Apache-2.0
//
// Modules that need each other: order, services, optional ones, transports and codecs that come from modules.
#include "node_fixture.h"
#include "onward/inproc/inproc_transport.h"
#include "onward/raw/raw_codec.h"

namespace onward {
namespace {

using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Counter {
 public:
  static constexpr ServiceName kService{"counter", 1};
  virtual ~Counter() = default;
  virtual int next() = 0;
};

class NewerCounter {
 public:
  static constexpr ServiceName kService{"counter", 2};
};

class Counting final : public Module, public Counter {
 public:
  Status start(ModuleContext& context) override {
    if (context.arguments().get<bool>("fail")) return {StatusCode::kUnavailable, "the disk is full"};
    if (Status failed = context.functions().add("count", [this] { return next(); }); !failed.ok()) return failed;
    return context.provide<Counter>(*this);
  }
  int next() override { return ++count_; }

 private:
  int count_ = 0;
};

class Using final : public Module {
 public:
  Status start(ModuleContext& context) override {
    Counter& counter = context.service<Counter>();
    return context.functions().add("use", [&counter] { return counter.next(); });
  }
};

// Does without.
class Wishing final : public Module {
 public:
  Status start(ModuleContext& context) override {
    const bool there = context.find_service<Counter>() != nullptr;
    return context.functions().add("wish", [there] { return there; });
  }
};

class Outdated final : public Module {
 public:
  Status start(ModuleContext& context) override {
    static_cast<void>(context.service<NewerCounter>());
    return {};
  }
};

constexpr Parameter kCountingParameters[] = {parameter("fail", false, "whether start() fails")};

ONWARD_MODULE(counting, .version = "1.0", .summary = "counts", .create = make_module<Counting>,
              .parameters = kCountingParameters, .provides = {"counter"});
ONWARD_MODULE(secretive, .version = "1.0", .summary = "counts", .create = make_module<Counting>,
              .parameters = kCountingParameters);
ONWARD_MODULE(user, .version = "1.0", .summary = "uses", .create = make_module<Using>, .needs = {"counter"});
ONWARD_MODULE(intruder, .version = "1.0", .summary = "uses", .create = make_module<Using>);
ONWARD_MODULE(wishing, .version = "1.0", .summary = "would use", .create = make_module<Wishing>, .wants = {"counter"});
ONWARD_MODULE(outdated, .version = "1.0", .summary = "uses", .create = make_module<Outdated>, .needs = {"counter"});
ONWARD_MODULE(egg, .version = "1.0", .summary = "first", .needs = {"hen"});
ONWARD_MODULE(hen, .version = "1.0", .summary = "first", .needs = {"egg"});

std::unique_ptr<Transport> make_inproc(EventLoop& loop, const MessageLimits& limits, const Arguments&) {
  return make_inproc_transport(loop, limits);
}
std::shared_ptr<const Codec> make_raw(const Arguments&) { return make_raw_codec(); }
ONWARD_MODULE(only_inproc, .version = "1.0", .summary = "a transport", .make_transport = make_inproc);
ONWARD_MODULE(only_raw, .version = "1.0", .summary = "a codec", .make_codec = make_raw);

using Use = NodeOptions::ModuleUse;

Use failing_counting() { return {.descriptor = &onward_module_counting, .arguments = {{"fail", {true, "n.toml:3"}}}}; }

class NodeServicesTest : public test::NodeTest {
 protected:
  Status start_with(std::vector<Use> modules) {
    NodeOptions with = options("b");
    with.modules = std::move(modules);
    b = std::make_unique<Node>(std::move(with));
    return b->start();
  }
  int call(const char* function) { return rpc_sync(*b, "b", remote<int()>(function)); }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& module : b->modules()) names.push_back(module.name + (module.trouble.empty() ? "" : "!"));
    return names;
  }
};

TEST_F(NodeServicesTest, AreInjectedWhateverTheOrder) {
  ASSERT_TRUE(start_with({{&onward_module_user}, {&onward_module_wishing}, {&onward_module_counting}}).ok());
  EXPECT_THAT(names(), ElementsAre("counting", "user", "wishing"));
  EXPECT_EQ(call("count"), 1);
  EXPECT_EQ(call("use"), 2);
  EXPECT_TRUE(rpc_sync(*b, "b", remote<bool()>("wish")));
}

TEST_F(NodeServicesTest, WhatIsNeededMustBeThere) {
  const Status status = start_with({{&onward_module_user}});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("module \"user\" did not start: it needs \"counter\", and no module"));
}

TEST_F(NodeServicesTest, WhatIsWantedNeedNot) {
  ASSERT_TRUE(start_with({{&onward_module_wishing}}).ok());
  EXPECT_FALSE(rpc_sync(*b, "b", remote<bool()>("wish")));
}

TEST_F(NodeServicesTest, CirclesAreRefused) {
  EXPECT_THAT(start_with({{&onward_module_hen}, {&onward_module_egg}}).message(),
              HasSubstr("\"hen\" needs \"egg\" needs \"hen\""));
}

TEST_F(NodeServicesTest, WhatIsNotDeclaredIsNeitherUsedNorProvided) {
  EXPECT_THAT(start_with({{&onward_module_counting}, {&onward_module_intruder}}).message(),
              HasSubstr("add it to the module's .needs"));
  EXPECT_THAT(start_with({{&onward_module_secretive}}).message(), HasSubstr("add it to the module's .provides"));
}

TEST_F(NodeServicesTest, AnotherVersionIsRefused) {
  EXPECT_THAT(start_with({{&onward_module_counting}, {&onward_module_outdated}}).message(),
              AllOf(HasSubstr("version 2"), HasSubstr("\"counting\" provides version 1")));
}

TEST_F(NodeServicesTest, TheNodeDoesWithoutAnOptionalOne) {
  Use counting = failing_counting();
  counting.optional = true;
  ASSERT_TRUE(start_with({{&onward_module_wishing}, counting}).ok());
  EXPECT_THAT(names(), ElementsAre("counting!", "wishing"));
  EXPECT_FALSE(rpc_sync(*b, "b", remote<bool()>("wish")));
  EXPECT_EQ(error_of(rpc_async(*b, "b", remote<int()>("count"))).code(), StatusCode::kUnimplemented);
  EXPECT_EQ(lines.count("module \"counting\" did not start: the disk is full; it is optional"), 1U) << lines.text();
}

// What it had registered before it failed is taken back.
TEST_F(NodeServicesTest, AnOptionalOneLeavesNothingBehind) {
  ASSERT_TRUE(start_with({{.descriptor = &onward_module_secretive, .optional = true}}).ok());
  EXPECT_EQ(error_of(rpc_async(*b, "b", remote<int()>("count"))).code(), StatusCode::kUnimplemented);
}

TEST_F(NodeServicesTest, WhoNeedsAnOptionalOneThatIsNotThereDoesNotStart) {
  Use counting = failing_counting();
  counting.optional = true;
  EXPECT_THAT(start_with({counting, {&onward_module_user}}).message(),
              HasSubstr("it needs \"counter\", and the module \"counting\" is not there"));
  ASSERT_TRUE(start_with({counting, {.descriptor = &onward_module_user, .optional = true}}).ok());
  EXPECT_THAT(names(), ElementsAre("counting!", "user!"));
}

TEST_F(NodeServicesTest, OneThatCouldNotBeLoadedStopsTheNodeUnlessItIsOptional) {
  Use lost{.missing = "lost", .unusable = Status(StatusCode::kNotFound, "there is no lost.so")};
  EXPECT_THAT(start_with({lost}).message(), HasSubstr("module \"lost\" did not start: there is no lost.so"));
  lost.optional = true;
  ASSERT_TRUE(start_with({lost}).ok());
  EXPECT_THAT(names(), ElementsAre("lost!"));
}

TEST_F(NodeServicesTest, TransportsAndCodecsComeFromModulesToo) {
  NodeOptions bare{.name = "bare", .listen = {"inproc://bare"}, .codec = "raw"};
  bare.modules = {{&onward_module_only_inproc}, {&onward_module_only_raw}};
  b = std::make_unique<Node>(std::move(bare));
  ASSERT_TRUE(b->start().ok());
  EXPECT_EQ(b->listening().front().to_string(), "inproc://bare");
  EXPECT_EQ((*b->codec(""))->name(), "raw");
  EXPECT_THAT(start_with({{&onward_module_only_inproc}}).message(), HasSubstr("has a transport \"inproc\""));
}

TEST_F(NodeServicesTest, AModuleWithAnotherCopyOfOnwardIsRefused) {
  ModuleDescriptor foreign = onward_module_counting;
  const char other = 0;
  foreign.abi.runtime = &other;
  EXPECT_THAT(start_with({{&foreign}}).message(), HasSubstr("second copy of Onward"));
  foreign = onward_module_counting;
  foreign.abi.toolchain = "x86_64, libstdc++ with old strings";
  EXPECT_THAT(start_with({{&foreign}}).message(), AllOf(HasSubstr("old strings"), HasSubstr("C++11 strings")));
}

}  // namespace
}  // namespace onward
