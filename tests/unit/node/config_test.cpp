// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "../transports/tls_fixture.h"
#include "module_list.h"
#include "node_config.h"
#include "onward/module_library.h"

namespace onward {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

NodeConfig accepted(std::string_view text) {
  Result<NodeConfig> config = parse_node_config(text, "n.toml", with_builtin_modules(standard_modules()));
  if (config) return *std::move(config);
  ADD_FAILURE() << config.error().to_string();
  return {};
}

// The lines of the refusal.
std::vector<std::string> refused(std::string_view text) {
  const Result<NodeConfig> config = parse_node_config(text, "n.toml", with_builtin_modules(standard_modules()));
  std::vector<std::string> lines;
  if (config) return lines;
  EXPECT_EQ(config.error().code(), StatusCode::kInvalidArgument);
  std::istringstream in(config.error().message());
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Config, NameIsEnough) {
  const NodeConfig config = accepted("name = \"a\"");
  const NodeOptions defaults;
  EXPECT_EQ(config.options.name, "a");
  EXPECT_TRUE(config.options.listen.empty());
  EXPECT_EQ(config.options.timeout, defaults.timeout);
  EXPECT_EQ(config.options.pool.threads, defaults.pool.threads);
  EXPECT_EQ(config.log_level, LogLevel::kInfo);
  EXPECT_EQ(config.drain, std::chrono::seconds(5));
  std::vector<std::string_view> modules;
  for (const NodeOptions::ModuleUse& use : config.options.modules) modules.push_back(use.name());
  EXPECT_THAT(modules, UnorderedElementsAre("tcp", "tls", "unix", "shm", "inproc", "flex", "flatbuffers", "raw"));
}

TEST(Config, EveryKey) {
  const NodeConfig config = accepted(R"(
name = "front"
listen = ["tcp://127.0.0.1:0", "unix:///tmp/x"]
codec = "raw"
[peers]
one = "tcp://h:1"
two = ["inproc://x", "tcp://h:2"]
[[modules]]
name = "rfc"
dst = "one"
batch_size = 3
[[modules]]
name = "search"
optional = true
shards = ["a", "b"]
[calls]
timeout_ms = 250
[pool]
threads = 2
queue_limit = 7
[limits]
max_body_bytes = 4096
max_message_bytes = 8192
output_high_bytes = 100
output_low_bytes = 10
max_in_flight = 5
max_in_flight_bytes = 5000
pause_in_flight = 3
pause_in_flight_bytes = "none"
node_max_in_flight = 50
node_max_in_flight_bytes = "none"
node_pause_in_flight = 40
node_pause_in_flight_bytes = 40000
adaptive = true
max_waiting_calls = 6
[limits.functions."search.*"]
max_in_flight = 9
adaptive = false
[limits.functions.search]
max_in_flight_bytes = 90
[loop]
busy_poll_us = 50
slow_callback_ms = 0
[connect]
backoff_ms = 10
backoff_max_ms = 20
[log]
level = "error"
[shutdown]
drain_ms = 100
)");
  const NodeOptions& options = config.options;
  EXPECT_THAT(options.listen, ElementsAre(Field(&ListenOptions::url, "tcp://127.0.0.1:0"),
                                          Field(&ListenOptions::url, "unix:///tmp/x")));
  EXPECT_EQ(options.codec, "raw");
  EXPECT_THAT(options.peers.at("one"), ElementsAre("tcp://h:1"));
  EXPECT_THAT(options.peers.at("two"), ElementsAre("inproc://x", "tcp://h:2"));
  EXPECT_EQ(options.timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(options.pool.threads, 2U);
  EXPECT_EQ(options.pool.queue_limit, 7U);
  EXPECT_EQ(options.limits.max_body_bytes, 4096U);
  EXPECT_EQ(options.limits.max_message_bytes, 8192U);
  EXPECT_EQ(options.limits.output_high_bytes, 100U);
  EXPECT_EQ(options.limits.output_low_bytes, 10U);
  EXPECT_EQ(
      options.per_connection,
      (LoadLimits{
          .max_in_flight = 5, .max_in_flight_bytes = 5000, .pause_in_flight = 3, .pause_in_flight_bytes = kNoLimit}));
  EXPECT_EQ(options.per_node, (LoadLimits{.max_in_flight = 50,
                                          .max_in_flight_bytes = kNoLimit,
                                          .pause_in_flight = 40,
                                          .pause_in_flight_bytes = 40000}));
  EXPECT_TRUE(options.adaptive_limits);
  EXPECT_EQ(options.per_function.of("search.find"), (FunctionLimits{.max_in_flight = 9, .adaptive = false}));
  EXPECT_EQ(options.per_function.of("search"), (FunctionLimits{.max_in_flight_bytes = 90}));
  EXPECT_EQ(options.per_function.of("other"), FunctionLimits());
  EXPECT_EQ(options.max_waiting_calls, 6U);
  EXPECT_EQ(options.loop.busy_poll, std::chrono::microseconds(50));
  EXPECT_EQ(options.loop.slow_callback, Duration::zero());
  EXPECT_EQ(options.connect_backoff, std::chrono::milliseconds(10));
  EXPECT_EQ(options.connect_backoff_max, std::chrono::milliseconds(20));
  EXPECT_EQ(config.log_level, LogLevel::kError);
  EXPECT_EQ(config.drain, std::chrono::milliseconds(100));

  ASSERT_EQ(options.modules.size(), 2U + builtin_modules().size());
  EXPECT_EQ(options.modules[0].name(), "rfc");
  EXPECT_FALSE(options.modules[0].optional);
  EXPECT_EQ(options.modules[1].name(), "search");
  EXPECT_TRUE(options.modules[1].optional);
  std::vector<SettingError> errors;
  const Arguments arguments =
      check_module_arguments(*options.modules[0].descriptor, options.modules[0].arguments, errors);
  EXPECT_EQ(arguments.get<std::string>("dst"), "one");
  EXPECT_EQ(arguments.get<int>("batch_size"), 3);
  EXPECT_EQ(options.modules[0].arguments.at("dst").origin, "n.toml:10");
}

TEST(Config, LimitsThatAreNotSaidAreTheKernels) {
  const NodeOptions options = accepted("name = \"a\"").options;
  EXPECT_EQ(options.per_connection, NodeOptions().per_connection);
  EXPECT_EQ(options.per_node, NodeOptions().per_node);
  EXPECT_TRUE(options.per_function.empty());
  EXPECT_FALSE(options.adaptive_limits);
}

TEST(Config, WrongLimitsOfFunctionsAreNamed) {
  EXPECT_THAT(
      refused("name = \"a\"\n[limits.functions]\nsearch = 5"),
      ElementsAre(AllOf(HasSubstr("n.toml:3"), HasSubstr("[limits.functions]"), HasSubstr("a table of limits"))));
  EXPECT_THAT(refused("name = \"a\"\n[limits.functions.search]\nmax_in_flite = 5\nadaptive = 3"),
              UnorderedElementsAre(AllOf(HasSubstr("[limits.functions.search]"), HasSubstr("max_in_flight")),
                                   HasSubstr("adaptive")));
}

TEST(Config, NoTimeoutIsSpelledOut) {
  EXPECT_EQ(accepted("name = \"a\"\n[calls]\ntimeout_ms = \"none\"").options.timeout, kNoTimeout);
  EXPECT_THAT(refused("name = \"a\"\n[calls]\ntimeout_ms = \"never\""),
              ElementsAre(HasSubstr("or \"none\", not \"never\"")));
  EXPECT_THAT(refused("name = \"a\"\n[calls]\ntimeout_ms = 0"),
              ElementsAre(StartsWith("n.toml:3: [calls] timeout_ms must be")));
}

TEST(Config, UnknownKeysHaveTheNearestKnownOne) {
  EXPECT_THAT(refused("nam = \"a\""), ElementsAre("n.toml:1: the key \"name\" is missing",
                                                  "n.toml:1: the key \"nam\" is not known; did you mean \"name\"?"));
  EXPECT_THAT(refused("name = \"a\"\n[pool]\nthread = 1"),
              ElementsAre("n.toml:3: [pool]: the key \"thread\" is not known; did you mean \"threads\"?"));
  EXPECT_THAT(refused("name = \"a\"\n\n[zzz]\nx = 1"),
              ElementsAre(StartsWith("n.toml:3: the key \"zzz\" is not known; there are name, ")));
}

TEST(Config, WrongTypes) {
  EXPECT_THAT(refused("name = 5"), ElementsAre("n.toml:1: name must be a string, not 5"));
  EXPECT_THAT(refused("name = \"a\"\nlisten = \"tcp://h:1\""),
              ElementsAre(StartsWith("n.toml:2: listen must be an array of URLs")));
  EXPECT_THAT(refused("name = \"a\"\n[pool]\nthreads = \"4\""),
              ElementsAre("n.toml:3: [pool] threads must be an integer from 1 to 1024, not \"4\""));
  EXPECT_THAT(refused("name = \"a\"\n[pool]\nthreads = 2.0"), ElementsAre(HasSubstr("must be an integer")));
  EXPECT_THAT(refused("name = \"a\"\npool = 4"), ElementsAre("n.toml:2: pool must be a table, [pool], not 4"));
  EXPECT_THAT(refused("name = \"a\"\nmodules = [1]"), ElementsAre(HasSubstr("[[modules]]")));
  EXPECT_THAT(refused("name = \"a\"\n[peers]\nb = 1"), ElementsAre(StartsWith("n.toml:3: [peers] b must be a URL")));
  EXPECT_THAT(refused("name = \"a\"\n[peers]\nb = []"), ElementsAre(HasSubstr("must be a URL")));
  EXPECT_THAT(refused("name = \"a\"\n[log]\nlevel = \"loud\""),
              ElementsAre(StartsWith("n.toml:3: [log] level must be \"trace\", ")));
  EXPECT_THAT(refused("name = \"a\"\n[[modules]]\nname = \"rfc\"\nx = 2020-01-01"),
              ElementsAre(StartsWith("n.toml:4: [[modules]] x must be")));
}

TEST(Config, NameIsNoUrl) {
  EXPECT_THAT(refused("name = \"tcp://h:1\""), ElementsAre(HasSubstr("no URL")));
  EXPECT_THAT(refused("name = \"\""), ElementsAre(HasSubstr("must be a name")));
}

TEST(Config, Urls) {
  EXPECT_THAT(refused("name = \"a\"\nlisten = [\n\"tcp://127.0.0.1:0\",\n\"nothing\"]"),
              ElementsAre(StartsWith("n.toml:4: \"nothing\" is not a URL")));
  EXPECT_THAT(
      refused("name = \"a\"\n[peers]\nb = \"tpc://h:1\""),
      ElementsAre("n.toml:3: \"tpc://h:1\" names the transport \"tpc\", which is not known; did you mean \"tcp\"?"));
  EXPECT_THAT(
      refused("name = \"a\"\nlisten = [\"tcp://127.0.0.1:70000\", \"tcp://host:1\"]\n[peers]\nb = \"tcp://h:0\"\n"
              "c = [\n\"unix:///x\",\n\"tcp://:7000\"]"),
      ElementsAre(AllOf(StartsWith("n.toml:2: "), HasSubstr("70000")),
                  AllOf(StartsWith("n.toml:2: "), HasSubstr("\"host\" is no address")),
                  AllOf(StartsWith("n.toml:4: "), HasSubstr("which port")),
                  AllOf(StartsWith("n.toml:7: "), HasSubstr("which host"))));
}

TEST(Config, Listeners) {
  const NodeConfig config = accepted(R"(name = "a"
listen = ["tcp://127.0.0.1:0", { url = "shm://@a", allow = ["b", "c-*"] }, { url = "tcp://*:1", insecure = true }]
[shm]
ring_bytes = 65_536
payload_bytes = 0
users = [1000]
[access]
"rfc.*" = ["b"]
search = "c"
"x" = []
)");
  const std::vector<ListenOptions>& listen = config.options.listen;
  ASSERT_EQ(listen.size(), 3U);
  EXPECT_THAT(listen[0].allow, ElementsAre("*"));
  EXPECT_FALSE(listen[0].insecure);
  EXPECT_EQ(listen[1].url, "shm://@a");
  EXPECT_THAT(listen[1].allow, ElementsAre("b", "c-*"));
  EXPECT_TRUE(listen[2].insecure);
  const auto& rules = config.options.access.all();
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_THAT(rules.at("rfc.*"), ElementsAre("b"));
  EXPECT_THAT(rules.at("search"), ElementsAre("c"));
  EXPECT_TRUE(rules.at("x").empty());
}

TEST(Config, ListenersThatAreWrong) {
  EXPECT_THAT(refused("name = \"a\"\nlisten = [\n\"tcp://*:7000\",\n{ url = \"tcp://0.0.0.0:1\" }, 5]"),
              ElementsAre(AllOf(StartsWith("n.toml:3: tcp://*:7000: whoever reaches this address"),
                                HasSubstr("{ url = \"tcp://*:7000\", insecure = true }")),
                          StartsWith("n.toml:4: tcp://0.0.0.0:1: whoever"), StartsWith("n.toml:4: listen holds URLs")));
  EXPECT_THAT(refused("name = \"a\"\nlisten = [{ allow = 5, url = \"shm://@a\", alow = 1, insecure = 1 }, {}]"),
              ElementsAre(HasSubstr("allow must be an array of names"), HasSubstr("insecure must be true or false"),
                          HasSubstr("did you mean \"allow\"?"), HasSubstr("\"url\" is missing")));
}

TEST(Config, AccessAndSharedMemoryThatAreWrong) {
  EXPECT_THAT(refused("name = \"a\"\n[access]\nrfc.add = [\"b\"]\nx = [1]"),
              ElementsAre(AllOf(StartsWith("n.toml:3: [access] rfc must be"), HasSubstr("stands in quotes")),
                          StartsWith("n.toml:4: [access] x must be an array of names")));
  EXPECT_THAT(refused("name = \"a\"\n[shm]\nring_bytes = 5000\nusers = [-1]\npayload_bytes = \"x\"\nring = 1"),
              ElementsAre(HasSubstr("n.toml:4: [shm] users must be an array of integers from 0 to 4294967294"),
                          HasSubstr("payload_bytes must be an integer"), HasSubstr("\"ring\" is not known")));
  EXPECT_THAT(refused("name = \"a\"\n[shm]\nring_bytes = 5000"),
              ElementsAre(AllOf(StartsWith("n.toml:2: [shm]: ring_bytes"), HasSubstr("power of two"))));
}

TEST(Config, TlsFilesLieBesideTheFile) {
  const TemporaryFolder folder;
  const CertificateAuthority authority = CertificateAuthority::create(folder.path() / "ca").value();
  authority.issue({.node = "a"}).throw_if_error();
  const std::string file = folder.path() / "n.toml";
  const std::string text =
      "name = \"a\"\nlisten = [\"tls://127.0.0.1:0\"]\n[tls]\ncertificate = \"ca/a.pem\"\nkey = \"ca/a.key\"\nca = \"" +
      authority.certificate().string() + "\"\n";
  const auto config = parse_node_config(text + "min_version = \"1.2\"\npeer_certificates = \"optional\"", file,
                                        with_builtin_modules(standard_modules()));
  ASSERT_TRUE(config) << config.error().message();
  const auto tls = std::ranges::find(config->options.modules, "tls", &NodeOptions::ModuleUse::name);
  std::vector<SettingError> errors;
  const Arguments arguments = check_module_arguments(*tls->descriptor, tls->arguments, errors);
  EXPECT_EQ(arguments.get<std::string>("certificate"), authority.certificate_of("a"));
  EXPECT_EQ(arguments.get<std::string>("key"), authority.key_of("a"));
  EXPECT_EQ(arguments.get<std::string>("ca"), authority.certificate());
  EXPECT_EQ(arguments.get<std::string>("min_version"), "1.2");
  EXPECT_EQ(arguments.get<std::string>("peer_certificates"), "optional");
  EXPECT_THAT(config->tls_files,
              ElementsAre(authority.certificate_of("a"), authority.key_of("a"), authority.certificate().string()));

  const auto broken = parse_node_config("name = \"a\"\n[tls]\ncertificate = \"ca/ca.key\"\nkey = \"ca/a.key\"", file,
                                        with_builtin_modules(standard_modules()));
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message(), AllOf(StartsWith(file + ":2: [tls]: the certificate "), HasSubstr("no PEM")));
}

TEST(Config, TlsThatIsWrong) {
  EXPECT_THAT(refused("name = \"a\"\n[tls]\nca = \"/nonexistent/ca.pem\"\nkey = \"/\"\nmin_version = \"1.1\"\n"
                      "peer_certificates = \"no\"\ncert = \"x\""),
              ElementsAre(AllOf(StartsWith("n.toml:3: [tls] ca: the file /nonexistent/ca.pem cannot be read: No such")),
                          AllOf(StartsWith("n.toml:4: [tls] key: the file / cannot be read: Is a directory")),
                          "n.toml:5: [tls] min_version must be \"1.3\" or \"1.2\", not \"1.1\"",
                          "n.toml:6: [tls] peer_certificates must be \"required\" or \"optional\", not \"no\"",
                          StartsWith("n.toml:7: [tls]: the key \"cert\" is not known")));
  EXPECT_THAT(refused("name = \"a\"\nlisten = [\"tls://127.0.0.1:0\"]\n[peers]\nb = \"tls://h:1\""),
              ElementsAre(AllOf(StartsWith("n.toml:2: "), HasSubstr("no certificate")),
                          AllOf(StartsWith("n.toml:4: "), HasSubstr("trusts no CA"))));
}

TEST(Config, CodecsAndModulesThatAreNotThere) {
  EXPECT_THAT(refused("name = \"a\"\ncodec = \"flux\""),
              ElementsAre("n.toml:2: the codec \"flux\" is not known; did you mean \"flex\"?"));
  EXPECT_THAT(refused("name = \"a\"\n[[modules]]\nname = \"serch\""),
              ElementsAre(AllOf(
                  StartsWith("n.toml:3: the module \"serch\" is not known; did you mean \"search\"? There are flat"),
                  HasSubstr("rfc, search, shm"), HasSubstr("serch.so was looked for in "))));
  EXPECT_THAT(refused("name = \"a\"\n[[modules]]\nfolder = \"/\""),
              ElementsAre("n.toml:2: [[modules]]: the key \"name\" is missing"));
}

TEST(Config, LimitsThatContradictEachOther) {
  EXPECT_THAT(refused("name = \"a\"\n[limits]\noutput_low_bytes = 9\noutput_high_bytes = 8"),
              ElementsAre("n.toml:2: [limits]: output_low_bytes (9) must not be more than output_high_bytes (8)"));
  EXPECT_THAT(refused("name = \"a\"\n[limits]\nmax_message_bytes = 2048"),
              ElementsAre(HasSubstr("max_body_bytes (67108864)")));
}

TEST(Config, AllErrorsAtOnceInTheOrderOfTheFile) {
  const auto errors = refused("[log]\nlevel = 1\n[calls]\ntimeout = 3\n[pool]\nqueue_limit = -1\n");
  EXPECT_THAT(errors, ElementsAre(StartsWith("n.toml:1: the key \"name\""), StartsWith("n.toml:2: [log] level"),
                                  StartsWith("n.toml:4: [calls]: the key \"timeout\""),
                                  StartsWith("n.toml:6: [pool] queue_limit")));
}

TEST(Config, NotToml) {
  EXPECT_THAT(refused("name = \"a\"\nlisten = [\n"), ElementsAre(HasSubstr("this is not TOML")));
  EXPECT_THAT(refused("name = \"a\"\nname = \"b\""), ElementsAre(StartsWith("n.toml:2: this is not TOML")));
  EXPECT_THAT(refused("\xFF"), ElementsAre(StartsWith("n.toml:1: this is not TOML")));
}

TEST(Config, FileThatIsNotThere) {
  const Result<NodeConfig> config = load_node_config("/no/such/file.toml", with_builtin_modules(standard_modules()));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code(), StatusCode::kNotFound);
  EXPECT_THAT(config.error().message(), HasSubstr("/no/such/file.toml: No such file"));
  const Result<NodeConfig> folder = load_node_config("/", with_builtin_modules(standard_modules()));
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message(), HasSubstr("directory"));
}

}  // namespace
}  // namespace onward
