// SPDX-License-Identifier: Apache-2.0
//
// The front's side of module "search": merging, and the module's arguments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "module_list.h"
#include "onward/init_rpc.h"
#include "search/front_search.h"

namespace onward::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

SearchResult answer(const std::string& shard, std::initializer_list<const char*> files) {
  SearchResult result;
  for (const char* file : files) result.hits.push_back({shard, file, 1, "text"});
  result.files_searched = 10;
  result.files_skipped = 1;
  return result;
}

std::vector<std::string> files(const SearchResult& result) {
  std::vector<std::string> files;
  for (const Hit& hit : result.hits) files.push_back(hit.file);
  return files;
}

TEST(MergeSearch, KeepsTheOrderOfTheShards) {
  const SearchResult merged = merge({"b", "a"}, {answer("b", {"x", "z"}), answer("a", {"y"})}, 10);
  EXPECT_THAT(files(merged), ElementsAre("x", "z", "y"));
  EXPECT_EQ(merged.files_searched, 20);
  EXPECT_EQ(merged.files_skipped, 2);
  EXPECT_FALSE(merged.truncated);
}

TEST(MergeSearch, Limit) {
  const SearchResult merged = merge({"b", "a"}, {answer("b", {"x", "z"}), answer("a", {"y"})}, 2);
  EXPECT_THAT(files(merged), ElementsAre("x", "z"));
  EXPECT_TRUE(merged.truncated);
  EXPECT_FALSE(merge({"b", "a"}, {answer("b", {"x", "z"}), answer("a", {"y"})}, 3).truncated);
  SearchResult cut = answer("b", {"x"});
  cut.truncated = true;
  EXPECT_TRUE(merge({"b"}, {cut}, 3).truncated);
}

TEST(MergeSearch, FailuresStandBesideTheHits) {
  SearchResult front = answer("deep", {"y"});
  front.failures.push_back({"far", "UNAVAILABLE: gone"});
  const SearchResult merged =
      merge({"a", "b", "c"}, {answer("a", {"x"}), fail(StatusCode::kUnavailable, "down"), front}, 10);
  EXPECT_THAT(files(merged), ElementsAre("x", "y"));
  ASSERT_THAT(merged.failures, SizeIs(2));
  EXPECT_EQ(merged.failures[0].shard, "b");
  EXPECT_EQ(merged.failures[0].error, "UNAVAILABLE: down");
  EXPECT_EQ(merged.failures[1].shard, "c > far");
}

TEST(MergeSearch, ListsOfUnreadFilesAreBounded) {
  SearchResult many = answer("a", {});
  many.unread.resize(kMaxUnread - 1, {"a", "f", "e"});
  EXPECT_THAT(merge({"a", "b"}, {many, many}, 10).unread, SizeIs(kMaxUnread));
}

// What start() says to these arguments.
std::string start(std::map<std::string, Setting::Scalar> values) {
  NodeOptions options{.name = "n", .transports = standard_transports(), .codecs = standard_codecs()};
  for (const ModuleDescriptor* descriptor : standard_modules()) {
    if (descriptor->name() != "search") continue;
    NodeOptions::ModuleUse use{.descriptor = descriptor};
    for (auto& [key, value] : values) use.arguments.emplace(key, Setting{std::move(value), "f:1"});
    options.modules.push_back(std::move(use));
  }
  Node node(std::move(options));
  const Status started = node.start();
  node.stop(Duration::zero());
  return started.ok() ? "ok" : started.message();
}

TEST(SearchModule, Arguments) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(start({{"folder", "/"}}), "ok");
  EXPECT_EQ(start({{"shards", Names{"a", "b"}}}), "ok");
  EXPECT_THAT(start({}), HasSubstr("needs \"folder\""));
  EXPECT_THAT(start({{"folder", "/"}, {"shards", Names{"a"}}}), HasSubstr("both"));
  EXPECT_THAT(start({{"folder", "/no/such"}}), HasSubstr("cannot search the folder \"/no/such\""));
  EXPECT_THAT(start({{"folder", "/"}, {"shard_timeout_ms", std::int64_t{1}}}),
              HasSubstr("shard_timeout_ms is for a node with \"shards\""));
  EXPECT_THAT(start({{"folder", "/"}, {"part", std::int64_t{4}}, {"parts", std::int64_t{3}}}),
              HasSubstr("part must be 1 to 3, not 4"));
  EXPECT_THAT(start({{"folder", "/"}, {"max_file_bytes", std::int64_t{0}}}),
              HasSubstr("max_file_bytes must be an integer from 1 to"));
  EXPECT_THAT(start({{"shards", Names{"a"}}, {"ignore_case", true}}), HasSubstr("is for a node with \"folder\""));
  EXPECT_THAT(start({{"shards", Names{}}}), HasSubstr("empty"));
  EXPECT_THAT(start({{"shards", Names{"a", "a"}}}), HasSubstr("twice"));
  EXPECT_THAT(start({{"shards", Names{"n"}}}), HasSubstr("itself"));
}

}  // namespace
}  // namespace onward::search
