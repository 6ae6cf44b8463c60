// SPDX-License-Identifier: Apache-2.0
//
// A valid conversation, changed in seeded ways: whatever arrives, the node lives, answers others, and lets
// go of the connection. A failure names the seed that makes it again.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "cluster.h"
#include "raw_peer.h"

namespace onward::testing_support {
namespace {

constexpr unsigned kMutations = 1'000;

std::string conversation() {
  const std::string large(10'000, 'L');
  const auto add = [](Encoder& encoder) {
    encoder.begin_sequence(2);
    encoder.integer(40);
    encoder.unsigned_integer(2);
    encoder.end_sequence();
  };
  const auto ping = [](Encoder& encoder) {
    encoder.begin_sequence(2);
    encoder.string("mutant");
    encoder.integer(0);
    encoder.end_sequence();
  };
  // Travels as a segment; the function wants a string and says so.
  const auto with_segment = [&](Encoder& encoder) {
    encoder.begin_sequence(1);
    encoder.bytes(Buffer::copy_of(large));
    encoder.end_sequence();
  };
  return raw_hello("mutant") + raw_echo(1, "first") + raw_call(2, "probe.add", add) +
         raw_frame({.kind = kRawPing, .call_id = 3}) + raw_call(4, "probe.ping", ping) +
         raw_frame({.kind = kRawCancel, .call_id = 4}) + raw_call(5, "probe.echo", with_segment) + raw_echo(6, large) +
         raw_frame({.kind = kRawResponse, .codec = kRawFlex, .call_id = 7}, "nobody asked") + raw_echo(8, "last");
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string bytes) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  // Often among the first frames: what is behind a frame that is refused is never looked at.
  std::size_t place(const std::string& bytes) {
    return below(below(2) == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 600));
  }

  void change(std::string& bytes) {
    static constexpr std::array<unsigned char, 6> kEdges = {0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF};
    const std::size_t at = place(bytes);
    const std::size_t some = std::min(bytes.size() - at, 1 + below(64));
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random_());
        break;
      case 2:
        for (std::size_t i = 0; i < std::min<std::size_t>(some, 8); ++i)
          bytes[at + i] = static_cast<char>(kEdges[below(kEdges.size())]);
        break;
      case 3:
        bytes.erase(at, some);
        break;
      case 4:
        bytes.insert(at, bytes.substr(place(bytes), some));
        break;
      case 5:
        bytes.resize(at);
        break;
      default:
        std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                         bytes.begin() + static_cast<std::ptrdiff_t>(at + some / 2),
                         bytes.begin() + static_cast<std::ptrdiff_t>(at + some / 2));
    }
    if (bytes.empty()) bytes = "x";
  }

  std::mt19937 random_;
};

class Mutation : public ClusterTest {};

TEST_P(Mutation, NoMutantOfAConversationHarmsTheNode) {
  const std::string valid = conversation();
  cluster.start("node", {.toml = "[log]\nlevel = \"error\"\n"});
  const auto client = cluster.client();
  {
    // Unchanged it is answered: five calls and a ping, but for the one with bytes for a string.
    RawPeer peer(cluster.url("node"));
    peer.send(valid);
    std::string kinds;
    for (int i = 0; i < 8; ++i) {
      const auto frame = peer.read_frame();
      ASSERT_TRUE(frame) << kinds;
      kinds += std::to_string(frame->header.kind);
    }
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), '6'), 5) << kinds;
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), '7'), 1) << kinds;
  }
  for (unsigned seed = 0; seed < kMutations; ++seed) {
    RawPeer peer(cluster.url("node"));
    peer.send(Mutator(seed).mutate(valid));
    peer.end_output();
    ASSERT_TRUE(peer.wait_for_close()) << "the node keeps the connection of mutant " << seed;
    ASSERT_EQ(outcome_of(rpc_async(*client, "node", probe::kAdd, 1, 1)), 2) << "after mutant " << seed;
  }
  EXPECT_TRUE(await_statistics(*client, "node",
                               [](const auto& now) { return now.connections == 1 && now.requests_in_flight == 1; }));
}

ONWARD_ON_EVERY_RAW_TRANSPORT(Mutation);

}  // namespace
}  // namespace onward::testing_support
