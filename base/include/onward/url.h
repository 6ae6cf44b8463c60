// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

// Where a node listens or is reached: `scheme://rest`. What the rest means is the transport's:
// tcp://HOST:PORT (an IPv6 address in brackets), unix:///path or unix://@abstract, inproc://NAME.
struct ONWARD_API Url {
  std::string scheme;  // lower case, [a-z][a-z0-9+.-]*
  std::string rest;    // everything behind "://"

  // INVALID_ARGUMENT for anything without a scheme and a rest.
  [[nodiscard]] static Result<Url> parse(std::string_view text);
  // True if the text holds "://": a URL rather than a peer's name.
  [[nodiscard]] static bool looks_like_url(std::string_view text) noexcept { return text.find("://") != text.npos; }
  [[nodiscard]] std::string to_string() const { return scheme + "://" + rest; }
  friend bool operator==(const Url&, const Url&) = default;
};

struct ONWARD_API HostPort {
  std::string host;  // without brackets; may be empty or "*" (any address) where one listens
  std::uint16_t port = 0;

  // "HOST:PORT", "[v6]:PORT". INVALID_ARGUMENT with the reason otherwise.
  [[nodiscard]] static Result<HostPort> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

}  // namespace onward
