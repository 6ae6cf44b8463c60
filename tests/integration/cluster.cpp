// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>

#include "onward/log.h"
#include "tls/certificate_authority.h"

namespace onward::testing_support {
namespace {

std::filesystem::path make_folder() {
  // Short: the path of a unix socket has at most 107 bytes.
  std::string name = (std::filesystem::temp_directory_path() / "onward-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail("mkdtemp");
  return name;
}

// The CA of this process.
class SharedAuthority {
 public:
  static SharedAuthority& instance() {
    static SharedAuthority shared;
    return shared;
  }
  ~SharedAuthority() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  SharedAuthority(const SharedAuthority&) = delete;
  SharedAuthority& operator=(const SharedAuthority&) = delete;

  TlsOptions options_of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (!std::filesystem::exists(authority_.certificate_of(name))) authority_.issue({.node = name}).throw_if_error();
    return {.certificate = authority_.certificate_of(name),
            .key = authority_.key_of(name),
            .ca = authority_.certificate(),
            .crl = {}};
  }

 private:
  SharedAuthority() = default;

  std::mutex mutex_;
  std::filesystem::path folder_ = make_folder();
  CertificateAuthority authority_ = CertificateAuthority::create(folder_).value();
};

bool uses_tls(const Place& place) {
  return std::ranges::any_of(place.connect, [](const std::string& url) { return url.starts_with("tls:"); });
}

// ["a", "b"]
std::string array_of(const std::vector<std::string>& urls) {
  std::string text;
  for (const std::string& url : urls) text += (text.empty() ? "[\"" : ", \"") + url + "\"";
  return text + "]";
}

// A socket that is bound and never listens keeps the port from everybody who asks for any free one, and as
// both sides set SO_REUSEADDR, not from the node that asks for this one.
std::string reserve_port(Cluster& cluster) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  cluster.keep_open(descriptor);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) != 0) fail("bind");
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("getsockname");
  return "://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

Place at(std::string url) { return {.listen = {url}, .connect = {url}}; }

}  // namespace

TlsOptions tls_options_of(const std::string& name) { return SharedAuthority::instance().options_of(name); }

Place reserve_tcp(Cluster& cluster, const std::string&) { return at("tcp" + reserve_port(cluster)); }

Place reserve_tls(Cluster& cluster, const std::string&) { return at("tls" + reserve_port(cluster)); }

Place reserve_unix(Cluster& cluster, const std::string& node) {
  return at("unix://" + (cluster.folder() / (node + ".sock")).string());
}

Place reserve_shm(Cluster& cluster, const std::string& node) {
  return at("shm://" + (cluster.folder() / (node + ".shm")).string());
}

Place reserve_auto(Cluster& cluster, const std::string& node) {
  const std::string shm = reserve_shm(cluster, node).listen.front();
  const std::string tcp = reserve_tcp(cluster, node).listen.front();
  Place place{.listen = {shm, tcp}, .connect = {shm, tcp}};
  if (cluster.size() % 2 == 1) place.listen = {tcp};
  return place;
}

Place reserve_mixed(Cluster& cluster, const std::string& node) {
  static constexpr std::array kPlaces = {reserve_tls, reserve_shm, reserve_tcp, reserve_unix};
  return kPlaces[cluster.size() % kPlaces.size()](cluster, node);
}

std::string onward_program() { return ONWARD_PROGRAM; }
std::string custom_node_program() { return ONWARD_CUSTOM_NODE; }

Cluster::Cluster(const TransportKind& kind) : kind_(kind), folder_(make_folder()) {
  // What this process logs as a node goes to a file beside the others'.
  set_log_sink([file = std::make_shared<std::ofstream>(folder_ / "test.log")](LogLevel, std::string_view component,
                                                                              std::string_view message) {
    *file << '[' << component << "] " << message << std::endl;
  });
}

Cluster::~Cluster() {
  processes_.clear();
  ended_.clear();
  for (const int descriptor : descriptors_) ::close(descriptor);
  set_log_sink({});
  if (testing::Test::HasFailure()) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
      std::cerr << "---- " << entry.path().string() << '\n' << std::ifstream(entry.path()).rdbuf() << '\n';
    }
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

const Place& Cluster::place(const std::string& node) {
  const auto found = places_.find(node);
  if (found != places_.end()) return found->second;
  const Place reserved = kind_.reserve(*this, node);
  return places_.emplace(node, reserved).first->second;
}

std::filesystem::path Cluster::write(const std::string& file, std::string_view text) const {
  const std::filesystem::path path = folder_ / file;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
  return path;
}

std::string Cluster::configuration(const std::string& name, const NodeSetup& setup) {
  std::string text = "name = \"" + name + "\"\nlisten = " + array_of(place(name).listen) + "\n";
  if (!setup.peers.empty()) text += "\n[peers]\n";
  bool needs_tls = uses_tls(place(name));
  for (const std::string& peer : setup.peers) {
    text += peer + " = " + array_of(place(peer).connect) + "\n";
    needs_tls |= uses_tls(place(peer));
  }
  text += "\n" + setup.toml;
  if (!needs_tls || setup.toml.find("[tls]") != setup.toml.npos) return text;
  const TlsOptions tls = tls_options_of(name);
  return text + "\n[tls]\ncertificate = \"" + tls.certificate + "\"\nkey = \"" + tls.key + "\"\nca = \"" + tls.ca +
         "\"\n";
}

Process& Cluster::launch(const std::string& program, const std::string& name, const NodeSetup& setup) {
  const std::filesystem::path file = write(name + ".toml", configuration(name, setup));
  const std::filesystem::path log = folder_ / (std::to_string(++logs_) + "-" + name + ".log");
  std::unique_ptr<Process>& process = processes_[name];
  if (process) ended_.push_back(std::move(process));
  process = std::make_unique<Process>(std::vector<std::string>{program, "node", "--config", file.string()},
                                      Process::Options{.log_file = log});
  return *process;
}

Process& Cluster::launch(const std::string& name, const NodeSetup& setup) {
  NodeSetup with_probe = setup;
  with_probe.toml += "\n[[modules]]\nname = \"probe\"\n";
  return launch(ONWARD_TEST_NODE, name, with_probe);
}

Process& Cluster::launch_plain(const std::string& name, const NodeSetup& setup) {
  return launch(ONWARD_PROGRAM, name, setup);
}

Process& Cluster::start(const std::string& name, const NodeSetup& setup) {
  launch(name, setup);
  return await_ready(name);
}

Process& Cluster::start_plain(const std::string& name, const NodeSetup& setup) {
  launch_plain(name, setup);
  return await_ready(name);
}

Process& Cluster::await_ready(const std::string& name) {
  Process& process = node(name);
  const auto line = process.wait_for_line(Process::Stream::kOutput, "ready");
  std::string wanted = "ready " + name;
  for (const std::string& url : place(name).listen) wanted += " " + url;
  EXPECT_EQ(line.value_or("nothing"), wanted) << process.text(Process::Stream::kError);
  return process;
}

NodeOptions Cluster::client_options(const std::string& name) const {
  NodeOptions options{.name = name, .codecs = standard_codecs()};
  TransportOptions transports;
  for (const auto& [node, place] : places_) {
    options.peers[node] = place.connect;
    if (uses_tls(place)) transports.tls = tls_options_of(name);
  }
  options.transports = standard_transports(transports);
  return options;
}

std::unique_ptr<Node> Cluster::client(const std::string& name) {
  auto node = std::make_unique<Node>(client_options(name));
  node->start().throw_if_error();
  return node;
}

std::vector<std::string> Cluster::command(std::vector<std::string> command, const std::string& node) const {
  if (std::ranges::none_of(places_, [](const auto& entry) { return uses_tls(entry.second); })) return command;
  const TlsOptions tls = tls_options_of(node);
  command.insert(command.begin(),
                 {"env", "ONWARD_TLS_CA=" + tls.ca, "ONWARD_TLS_CERT=" + tls.certificate, "ONWARD_TLS_KEY=" + tls.key});
  return command;
}

CommandResult Cluster::run(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {ONWARD_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Process process(command(std::move(words)), {.log_file = folder_ / (std::to_string(++logs_) + "-command.log")});
  const auto ending = process.wait_for_end();
  EXPECT_TRUE(ending) << "`onward " << arguments.front() << " …` does not end";
  process.wait_for_close(Process::Stream::kOutput);
  process.wait_for_close(Process::Stream::kError);
  return {.ending = ending.value_or(Ending()),
          .output = process.text(Process::Stream::kOutput),
          .error = process.text(Process::Stream::kError)};
}

}  // namespace onward::testing_support
