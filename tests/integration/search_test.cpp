// SPDX-License-Identifier: Apache-2.0
//
// A search front before three shards, each a node of the program `onward` with a folder of its own.
#include "search/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using search::Hit;
using search::kSearch;
using search::SearchResult;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// "north/a.txt:2"
std::vector<std::string> places(const SearchResult& result) {
  std::vector<std::string> places;
  for (const Hit& hit : result.hits) places.push_back(hit.shard + "/" + hit.file + ":" + std::to_string(hit.line));
  return places;
}

class Search : public ClusterTest {
 protected:
  void SetUp() override {
    cluster.write("text-north/a.txt", "apple\nplum and pear\n");
    cluster.write("text-north/sub/b.txt", "pear\n");
    cluster.write("text-east/c.txt", "a pear\nno fruit\nthe last pear");
    cluster.write("text-south/d.txt", "cherry\n\npear tree\n");
    for (const char* shard : {"north", "east", "south"}) start_shard(shard);
    start_front(kPatience * 10);
    client = cluster.client();
  }
  void start_shard(const std::string& name) {
    const std::string folder = (cluster.folder() / ("text-" + name)).string();
    cluster.start_plain(name, {.toml = "[[modules]]\nname = \"search\"\nfolder = \"" + folder + "\"\n"});
  }
  void start_front(std::chrono::milliseconds shard_timeout) {
    cluster.start_plain("front", {.peers = {"north", "east", "south"},
                                  .toml = "[[modules]]\nname = \"search\"\nshards = [\"north\", \"east\", \"south\"]\n"
                                          "shard_timeout_ms = " +
                                          std::to_string(shard_timeout.count()) + "\n"});
  }

  std::unique_ptr<Node> client;
};

TEST_P(Search, MergesThreeShardsInTheOrderOfTheirList) {
  const SearchResult result = rpc_sync(*client, "front", kSearch, "pear", 100);
  EXPECT_THAT(places(result),
              ElementsAre("north/a.txt:2", "north/sub/b.txt:1", "east/c.txt:1", "east/c.txt:3", "south/d.txt:3"));
  EXPECT_EQ(result.hits.at(0).text, "plum and pear");
  EXPECT_TRUE(result.failures.empty());
  EXPECT_EQ(result.files_searched, 4);
  EXPECT_FALSE(result.truncated);
}

TEST_P(Search, LimitCutsAndSaysSo) {
  const SearchResult result = rpc_sync(*client, "front", kSearch, "pear", 3);
  EXPECT_THAT(places(result), ElementsAre("north/a.txt:2", "north/sub/b.txt:1", "east/c.txt:1"));
  EXPECT_TRUE(result.truncated);
}

TEST_P(Search, NothingFoundIsNoError) {
  const SearchResult result = rpc_sync(*client, "front", kSearch, "durian", 3);
  EXPECT_TRUE(result.hits.empty());
  EXPECT_TRUE(result.failures.empty());
}

TEST_P(Search, BadQueryIsRefused) {
  EXPECT_EQ(error_of(rpc_async(*client, "front", kSearch, "", 3)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(error_of(rpc_async(*client, "front", kSearch, "pear", 0)).code(), StatusCode::kInvalidArgument);
}

TEST_P(Search, ShardThatIsDownStandsBesideTheHitsOfTheOthers) {
  cluster.node("east").kill();
  const SearchResult result = rpc_sync(*client, to("front", {.timeout = kNoTimeout}), kSearch, "pear", 100);
  EXPECT_THAT(places(result), ElementsAre("north/a.txt:2", "north/sub/b.txt:1", "south/d.txt:3"));
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].shard, "east");
  EXPECT_THAT(result.failures[0].error, StartsWith("UNAVAILABLE: "));
  EXPECT_THAT(result.failures[0].error, HasSubstr(cluster.url("east")));

  start_shard("east");
  const auto complete = [&] { return rpc_sync(*client, "front", kSearch, "pear", 100).failures.empty(); };
  EXPECT_TRUE(await(complete)) << "the shard is back, and is not asked again";
}

TEST_P(Search, ShardThatHangsIsListedAfterItsOwnTimeout) {
  cluster.node("front").kill();
  start_front(std::chrono::milliseconds(kSanitized ? 2000 : 400));
  EXPECT_TRUE(rpc_sync(*client, "front", kSearch, "pear", 100).failures.empty());
  cluster.node("south").freeze();
  const SearchResult result = rpc_sync(*client, to("front", {.timeout = kNoTimeout}), kSearch, "pear", 100);
  EXPECT_THAT(places(result), ElementsAre("north/a.txt:2", "north/sub/b.txt:1", "east/c.txt:1", "east/c.txt:3"));
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].shard, "south");
  EXPECT_THAT(result.failures[0].error, StartsWith("DEADLINE_EXCEEDED: "));

  cluster.node("south").send_signal(SIGCONT);
  const auto complete = [&] { return rpc_sync(*client, "front", kSearch, "pear", 100).failures.empty(); };
  EXPECT_TRUE(await(complete));
}

TEST_P(Search, AllShardsDownIsAnEmptyResultWithThreeFailures) {
  for (const char* shard : {"north", "east", "south"}) cluster.node(shard).kill();
  const SearchResult result = rpc_sync(*client, to("front", {.timeout = kNoTimeout}), kSearch, "pear", 100);
  EXPECT_TRUE(result.hits.empty());
  std::vector<std::string> failed;
  for (const auto& failure : result.failures) failed.push_back(failure.shard);
  EXPECT_THAT(failed, ElementsAre("north", "east", "south"));
}

ONWARD_ON_EVERY_TRANSPORT(Search);

}  // namespace
}  // namespace onward::testing_support
