// SPDX-License-Identifier: Apache-2.0
#include "network_config.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onward {
namespace {

// Says what is wrong with URLs, without a connection.
class UrlChecker {
 public:
  // With the transports of the modules whose arguments are right.
  explicit UrlChecker(const NodeOptions& options) {
    for (const NodeOptions::ModuleUse& use : options.modules) {
      if (use.descriptor == nullptr || use.descriptor->make_transport == nullptr) continue;
      std::vector<SettingError> errors;
      const Arguments arguments = check_module_arguments(*use.descriptor, use.arguments, errors);
      if (!errors.empty()) {
        unusable_.insert(std::string(use.descriptor->name()));
        continue;
      }
      transports_.push_back(use.descriptor->make_transport(loop_, options.limits, arguments));
    }
  }

  [[nodiscard]] Status check(const std::string& text, Transport::Use use, bool insecure) const {
    const Result<Url> url = Url::parse(text);
    if (!url) return url.error();
    if (unusable_.contains(url->scheme)) return {};  // there are errors already
    std::vector<std::string> schemes;
    for (const auto& transport : transports_) {
      if (transport->scheme() == url->scheme) return check(*transport, *url, use, insecure);
      schemes.emplace_back(transport->scheme());
    }
    return {StatusCode::kInvalidArgument, "\"" + text + "\" names the transport \"" + url->scheme +
                                              "\", which is not known" + suggest(url->scheme, schemes)};
  }

 private:
  [[nodiscard]] static Status check(const Transport& transport, const Url& url, Transport::Use use, bool insecure) {
    Status status = transport.check(url, use);
    if (!status.ok() || use == Transport::Use::kConnect || insecure || transport.is_guarded(url)) return status;
    return {StatusCode::kFailedPrecondition,
            url.to_string() +
                ": whoever reaches this address over the network could call every function: listen with tls, where "
                "peers show certificates, or on 127.0.0.1; or, if that is meant, write { url = \"" +
                url.to_string() + "\", insecure = true }"};
  }

  EventLoop loop_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::set<std::string> unusable_;
};

void read_listener(const toml::node& value, const UrlChecker& checker, const ConfigReader& file, NodeOptions& options) {
  ConfigErrors& errors = file.errors();
  std::string url;
  ListenOptions listener("");
  const toml::node* where = &value;
  if (const toml::table* table = value.as_table(); table != nullptr) {
    ConfigReader reader(*table, "listen:", errors, file.expanded());
    where = reader.require("url");
    if (where == nullptr || !reader.read("url", url)) return;
    if (const toml::node* allow = reader.find("allow"); allow != nullptr) {
      if (auto peers = one_or_more(*allow)) {
        listener.allow = *std::move(peers);
      } else {
        reader.wrong("allow", *allow, R"(an array of names, as ["front", "worker-*"])");
      }
    }
    reader.read("insecure", listener.insecure);
    reader.refuse_unknown();
  } else if (value.is_string()) {
    url = *value.value_exact<std::string>();
  } else {
    errors.add(value.source(),
               R"(listen holds URLs, as "tcp://127.0.0.1:7000", or tables, as { url = "…" }, not )" + describe(value));
    return;
  }
  if (const Status status = checker.check(url, Transport::Use::kListen, listener.insecure); !status.ok()) {
    errors.add(where->source(), status.message());
  }
  listener.url = url;
  options.listen.push_back(std::move(listener));
}

void read_listen(ConfigReader& file, const UrlChecker& checker, NodeOptions& options) {
  const toml::node* found = file.find("listen");
  if (found == nullptr) return;
  const toml::array* listeners = found->as_array();
  if (listeners == nullptr) {
    file.wrong("listen", *found, R"(an array of URLs, as ["tcp://127.0.0.1:7000"])");
    return;
  }
  for (const toml::node& listener : *listeners) read_listener(listener, checker, file, options);
}

void read_peers(ConfigReader peers, const UrlChecker& checker, NodeOptions& options) {
  for (const auto& [key, value] : peers.content()) {
    const std::string name(key.str());
    auto urls = one_or_more(value);
    if (!urls || urls->empty()) {
      peers.wrong(name, value, R"(a URL, as "tcp://127.0.0.1:7000", or an array of them)");
      continue;
    }
    const toml::array* array = value.as_array();
    for (std::size_t i = 0; i < urls->size(); ++i) {
      const Status status = checker.check((*urls)[i], Transport::Use::kConnect, true);
      if (!status.ok()) peers.errors().add((array == nullptr ? value : *array->get(i)).source(), status.message());
    }
    options.peers.emplace(name, *std::move(urls));
  }
}

void read_access(ConfigReader access, NodeOptions& options) {
  for (const auto& [key, value] : access.content()) {
    std::string pattern(key.str());
    auto peers = one_or_more(value);
    if (!peers) {
      access.wrong(pattern, value,
                   "an array of names, as [\"front\", \"worker-*\"]; a function's name that has dots "
                   "or * stands in quotes");
      continue;
    }
    static_cast<void>(options.access.add(std::move(pattern), *std::move(peers)));  // TOML has no key twice
  }
}

}  // namespace

void read_network(ConfigReader& file, NodeOptions& options) {
  const UrlChecker checker(options);
  read_listen(file, checker, options);
  read_peers(file.table("peers"), checker, options);
  read_access(file.table("access"), options);
}

}  // namespace onward
