// SPDX-License-Identifier: Apache-2.0
#include "onward/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace onward {
namespace {

using ::testing::HasSubstr;

TEST(UrlTest, HasASchemeAndARest) {
  const auto url = Url::parse("tcp://127.0.0.1:7000");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "tcp");
  EXPECT_EQ(url->rest, "127.0.0.1:7000");
  EXPECT_EQ(url->to_string(), "tcp://127.0.0.1:7000");
}

TEST(UrlTest, SchemesAreLowerCase) {
  const auto url = Url::parse("TCP+tls.v-2://Host:1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "tcp+tls.v-2");
  EXPECT_EQ(url->rest, "Host:1");
}

TEST(UrlTest, TheRestIsTheTransports) {
  for (const char* text : {"unix:///run/a b.sock", "unix://@abstract", "inproc://a://b", "shm://?x=1#y"}) {
    const auto url = Url::parse(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->to_string(), text);
  }
}

TEST(UrlTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "tcp", "tcp:", "tcp:/x", "://x", "tcp://", "1tcp://x", "t cp://x", "-a://x", "t\xC3\xA9://x", " tcp://x"}) {
    const auto url = Url::parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(url.error().message(), HasSubstr("\"" + std::string(text) + "\" is not a URL"));
    EXPECT_THAT(url.error().message(), HasSubstr("expected e.g."));
  }
}

TEST(UrlTest, LooksLikeOne) {
  EXPECT_TRUE(Url::looks_like_url("tcp://x"));
  EXPECT_TRUE(Url::looks_like_url("://"));
  EXPECT_FALSE(Url::looks_like_url("shard1"));
  EXPECT_FALSE(Url::looks_like_url("a:b"));
}

struct HostPortCase {
  const char* text;
  const char* host;
  std::uint16_t port;
  const char* printed;
};

TEST(HostPortTest, Parses) {
  const HostPortCase cases[] = {
      {"127.0.0.1:7000", "127.0.0.1", 7000, "127.0.0.1:7000"},
      {"localhost:0", "localhost", 0, "localhost:0"},
      {"[::1]:65535", "::1", 65535, "[::1]:65535"},
      {"[fe80::1%eth0]:1", "fe80::1%eth0", 1, "[fe80::1%eth0]:1"},
      {"*:80", "*", 80, "*:80"},
      {":80", "", 80, ":80"},
      {"[name]:80", "name", 80, "name:80"},
      {"a:00080", "a", 80, "a:80"},
  };
  for (const HostPortCase& expected : cases) {
    const auto parsed = HostPort::parse(expected.text);
    ASSERT_TRUE(parsed) << expected.text;
    EXPECT_EQ(parsed->host, expected.host);
    EXPECT_EQ(parsed->port, expected.port);
    EXPECT_EQ(parsed->to_string(), expected.printed);
  }
}

TEST(HostPortTest, RefusesWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "port is missing"},
      {"host", "port is missing"},
      {"host:", "a number from 0 to 65535"},
      {"host:65536", "a number from 0 to 65535"},
      {"host:-1", "a number from 0 to 65535"},
      {"host:+1", "a number from 0 to 65535"},
      {"host: 1", "a number from 0 to 65535"},
      {"host:80x", "a number from 0 to 65535"},
      {"host:99999999999999999999", "a number from 0 to 65535"},
      {"::1:80", "stands in brackets"},
      {"[::1", "a \"]\" is missing"},
      {"[::1]", "must follow the \"]\""},
      {"[::1]80", "must follow the \"]\""},
      {"[::1]:", "a number from 0 to 65535"},
  };
  for (const auto& [text, reason] : cases) {
    const auto parsed = HostPort::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message(), HasSubstr(reason)) << text;
  }
}

}  // namespace
}  // namespace onward
