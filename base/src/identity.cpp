// SPDX-License-Identifier: Apache-2.0
#include "onward/identity.h"

#include <algorithm>
#include <utility>

namespace onward {

const std::string& PeerIdentity::name() const noexcept {
  static const std::string anonymous = "anonymous";
  return names.empty() ? anonymous : names.front();
}

bool PeerIdentity::has(std::string_view name) const noexcept { return std::ranges::find(names, name) != names.end(); }

// Without recursion: after a mismatch, the last * takes one character more.
bool matches(std::string_view pattern, std::string_view text) noexcept {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

// A pattern without * that matches is the text itself.
std::optional<std::size_t> match_rank(std::string_view pattern, std::string_view text) noexcept {
  if (!matches(pattern, text)) return std::nullopt;
  if (pattern == text) return std::string_view::npos;
  return pattern.size() - static_cast<std::size_t>(std::ranges::count(pattern, '*'));
}

bool matches_any(const std::vector<std::string>& patterns, const PeerIdentity& peer) noexcept {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    if (peer.names.empty()) return matches(pattern, peer.name());
    return std::ranges::any_of(peer.names, [&](const std::string& name) { return matches(pattern, name); });
  });
}

Status AccessRules::add(std::string pattern, std::vector<std::string> identities) {
  const auto [at, added] = rules_.emplace(std::move(pattern), std::move(identities));
  if (added) return {};
  return {StatusCode::kAlreadyExists, "there are two access rules for \"" + at->first + "\""};
}

bool AccessRules::allows(std::string_view function, const PeerIdentity& peer) const noexcept {
  const auto decides = most_specific(rules_, function);
  return decides == rules_.end() || matches_any(decides->second, peer);
}

}  // namespace onward
