// SPDX-License-Identifier: Apache-2.0
#include "onward/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace onward {
namespace {

bool scheme_character(char c) {
  const auto u = static_cast<unsigned char>(c);
  return std::isalnum(u) != 0 || c == '+' || c == '.' || c == '-';
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const auto invalid = [&](std::string_view why) {
    return fail(StatusCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a URL: " + std::string(why) +
                                                  "; expected e.g. tcp://127.0.0.1:7000 or unix:///run/node.sock");
  };
  const std::size_t split = text.find("://");
  if (split == std::string_view::npos) return invalid("it has no \"://\"");
  const std::string_view scheme = text.substr(0, split);
  if (scheme.empty() || std::isalpha(static_cast<unsigned char>(scheme.front())) == 0 ||
      !std::ranges::all_of(scheme, scheme_character)) {
    return invalid("what stands before \"://\" is no scheme");
  }
  if (split + 3 == text.size()) return invalid("nothing follows \"://\"");
  Url url{std::string(scheme), std::string(text.substr(split + 3))};
  std::ranges::transform(url.scheme, url.scheme.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return url;
}

Result<HostPort> HostPort::parse(std::string_view text) {
  const auto invalid = [&](std::string_view why) {
    return fail(StatusCode::kInvalidArgument, "\"" + std::string(text) + "\" is not HOST:PORT: " + std::string(why));
  };
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return invalid("a \"]\" is missing");
    result.host = text.substr(1, close - 1);
    if (close + 1 >= text.size() || text[close + 1] != ':') return invalid("\":PORT\" must follow the \"]\"");
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return invalid("the port is missing");
    result.host = text.substr(0, colon);
    if (result.host.contains(':')) return invalid("an IPv6 address stands in brackets, [::1]:7000");
    port = text.substr(colon + 1);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
    return invalid("the port must be a number from 0 to 65535");
  }
  return result;
}

std::string HostPort::to_string() const {
  const std::string digits = std::to_string(port);
  return host.contains(':') ? "[" + host + "]:" + digits : host + ":" + digits;
}

}  // namespace onward
