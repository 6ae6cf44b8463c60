// SPDX-License-Identifier: Apache-2.0
//
// What errors carry between real nodes, over each transport and each pair of codecs: detail, trail, and exceptions
// that come back as themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cluster.h"

namespace onward::testing_support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kCodecs = {"flex", "raw", "flatbuffers"};

class Errors : public ClusterTest {
 protected:
  // "front" knows "worker".
  void SetUp() override {
    cluster.start("worker");
    cluster.start("front", {.peers = {"worker"}});
    client = cluster.client();
  }

  std::unique_ptr<Node> client;
};

TEST_P(Errors, ExceptionsComeBackAsThemselvesOverEveryPairOfCodecs) {
  for (const std::string& outer : kCodecs) {
    for (const std::string& inner : kCodecs) {
      for (const auto& function : {probe::relay_fail(inner), probe::sync_relay_fail(inner)}) {
        SCOPED_TRACE(outer + ", " + function.name().name);
        try {
          rpc_async(*client, to("front", {.codec = outer}), function).wait(kPatience);
          ADD_FAILURE() << "it did not fail";
        } catch (const probe::SeatsTaken& error) {
          EXPECT_THAT(error.rows, ElementsAre("A", "B"));
          EXPECT_EQ(error.left, 2);
          const auto& status = dynamic_cast<const StatusCarrier&>(error).status();
          const bool sync = function.name().name.contains("sync");
          EXPECT_EQ(status.to_string(),
                    "FAILED_PRECONDITION: the seats are taken [onward::probe::SeatsTaken]\n"
                    "    detail SeatsTaken: {\"left\": 2, \"rows\": [\"A\", \"B\"]}\n"
                    "    at node worker, function probe.fail\n"
                    "    at node front, function " +
                        function.name().name + (sync ? ": while booking" : ""));
        }
      }
    }
  }
}

TEST_P(Errors, ADetailIsTheSameBytesHoweverItCame) {
  const Status direct = error_of(rpc_async(*client, "worker", probe::kFail));
  ASSERT_FALSE(direct.detail_bytes().empty()) << direct.to_string();
  for (const std::string& codec : kCodecs) {
    const Status far = error_of(rpc_async(*client, to("front", {.codec = codec}), probe::relay_fail(codec)));
    EXPECT_EQ(far.detail_bytes().text(), direct.detail_bytes().text());
    EXPECT_EQ(far.detail_type(), "SeatsTaken");
  }
}

// The program does not know the type; it prints what came.
TEST_P(Errors, TheCommandLineShowsTheDetail) {
  const CommandResult result = cluster.run({"call", cluster.url("front"), "probe.relay_fail.raw"});
  EXPECT_EQ(result.ending.code, 1);
  EXPECT_THAT(result.error, HasSubstr("\n    detail SeatsTaken: {\"left\": 2, \"rows\": [\"A\", \"B\"]}\n"
                                      "    at node worker, function probe.fail\n"
                                      "    at node front, function probe.relay_fail.raw\n"));
}

ONWARD_ON_EVERY_TRANSPORT(Errors);

}  // namespace
}  // namespace onward::testing_support
