// SPDX-License-Identifier: Apache-2.0
//
// shm between real processes that are killed, stopped and started again, and what a peer falls back to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::HasSubstr;

Place reserve_abstract(Cluster& cluster, const std::string& node) {
  const std::string url = "shm://@" + cluster.folder().filename().string() + "-" + node;
  return {.listen = {url}, .connect = {url}};
}
const TransportKind kShm{"shm", reserve_abstract, false};

// Shared memory that this process has mapped.
std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("onward-shm") != line.npos ? 1 : 0;
  return count;
}

std::set<std::string> named_memory() {
  std::set<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", ignored)) names.insert(entry.path());
  return names;
}

template <class T>
void expect_answer_or_unavailable(const Future<T>& call) {
  const Status error = error_of(call);
  EXPECT_TRUE(error.ok() || error.code() == StatusCode::kUnavailable) << error.to_string();
}

class Shm : public testing::Test {
 protected:
  Cluster cluster{kShm};
};

// Whatever was going on, in either direction: each call ends, and the memory goes.
TEST_F(Shm, PeersKilledAtAnyMoment) {
  const std::set<std::string> before = named_memory();
  std::minstd_rand random(7);
  for (int round = 0; round < 12; ++round) {
    Process& worker = cluster.start("worker");
    auto client = cluster.client();
    std::vector<Future<Buffer>> blobs;
    std::vector<Future<std::string>> echoes;
    for (int i = 0; i < 60; ++i) {
      blobs.push_back(rpc_async(*client, "worker", probe::kBlob, random() % 300'000));
      echoes.push_back(rpc_async(*client, "worker", probe::kEcho, std::string(random() % 100'000, 'x')));
    }
    // Once so many have been answered.
    const auto enough = static_cast<std::ptrdiff_t>(random() % 60);
    ASSERT_TRUE(
        await([&] { return std::ranges::count_if(blobs, [](const auto& call) { return call.done(); }) >= enough; }));
    worker.kill();
    for (const auto& call : blobs) expect_answer_or_unavailable(call);
    for (const auto& call : echoes) expect_answer_or_unavailable(call);
    blobs.clear();
    client.reset();
    EXPECT_EQ(mappings(), 0U);
  }
  EXPECT_EQ(named_memory(), before);
}

TEST_F(Shm, WhatWasReceivedOutlivesItsSender) {
  Process& worker = cluster.start("worker");
  auto client = cluster.client();
  constexpr std::uint64_t kBytes = 1'000'000;
  const Buffer kept = rpc_sync(*client, "worker", probe::kBlob, kBytes);
  const std::string before(kept.text());
  worker.kill();
  ASSERT_TRUE(await([&] { return client->statistics().connections == 0; }));
  client.reset();
  EXPECT_TRUE(kept.text() == before);
  EXPECT_EQ(kept.size(), kBytes);
}

// What is sent to a process that is stopped waits, and holds up nobody else.
TEST_F(Shm, AStoppedPeerHoldsUpNobody) {
  Process& worker = cluster.start("worker");
  cluster.start("other");
  auto client = cluster.client();
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kAdd, 1, 2), 3);
  worker.freeze();
  std::vector<Future<std::string>> calls;
  for (int i = 0; i < 30; ++i) {
    calls.push_back(
        rpc_async(*client, "worker", probe::kEcho, std::string(1'000'000, static_cast<char>('a' + i % 26))));
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rpc_sync(*client, "other", probe::kAdd, i, 1), i + 1);
  EXPECT_TRUE(std::ranges::none_of(calls, [](const auto& call) { return call.done(); }));
  worker.send_signal(SIGCONT);
  for (int i = 0; i < 30; ++i) {
    const auto answer = outcome_of(calls[static_cast<std::size_t>(i)]);
    ASSERT_TRUE(answer) << answer.error().to_string();
    EXPECT_TRUE(*answer == std::string(1'000'000, static_cast<char>('a' + i % 26)));
  }
}

// A reader that keeps more than the sender's memory holds.
TEST_F(Shm, KeepingManyLargeAnswersHoldsUpNobody) {
  const std::string small = "[shm]\nring_bytes = 65536\npayload_bytes = 4194304\n";
  cluster.start("worker", {.toml = small});
  auto client = cluster.client();
  std::vector<Buffer> kept;
  constexpr std::uint64_t kBytes = 1'000'000;
  for (int i = 0; i < 20; ++i) kept.push_back(rpc_sync(*client, "worker", probe::kBlob, kBytes));
  for (const Buffer& buffer : kept) ASSERT_EQ(buffer.size(), kBytes);
  EXPECT_EQ(rpc_sync(*client, "worker", probe::kAdd, 1, 2), 3);
}

TEST_F(Shm, FallsBackAndComesBack) {
  const TransportKind tcp{"tcp", reserve_tcp};
  const std::string shm = cluster.url("worker");
  cluster.place("worker", tcp);
  const std::string over_tcp = cluster.url("worker");
  Process& first = cluster.start("worker");

  NodeOptions options = cluster.client_options();
  options.peers["worker"] = {shm, over_tcp};
  Node client(std::move(options));
  ASSERT_TRUE(client.start().ok());
  EXPECT_EQ(rpc_sync(client, "worker", probe::kAdd, 1, 2), 3);
  const Node::PeerState fallen = client.peers().front();
  EXPECT_EQ(fallen.url, over_tcp);
  EXPECT_TRUE(fallen.connected);
  EXPECT_THAT(fallen.trouble, HasSubstr(shm + ": connection refused"));

  first.kill();
  cluster.place("worker", kShm);
  cluster.start("worker");
  EXPECT_EQ(rpc_sync(client, "worker", probe::kAdd, 3, 4), 7);
  EXPECT_EQ(client.peers().front().url, shm);
  EXPECT_EQ(client.peers().front().trouble, "");
}

}  // namespace
}  // namespace onward::testing_support
