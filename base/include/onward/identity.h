// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end, and who may call what.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

// What the peer of a connection has proved to be.
struct ONWARD_API PeerIdentity {
  // Best first: the names in its certificate ("worker-1"), or the user of a process of this machine
  // ("uid:1000"), or "self" for this process. Empty: it has proved nothing.
  std::vector<std::string> names;
  // `names` are names of nodes: a peer whose HELLO says another is refused.
  bool names_nodes = false;

  // The first name; "anonymous" where there is none.
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] bool has(std::string_view name) const noexcept;
};

// The node that a request came from. Immutable. See CallContext::caller().
struct CallerInfo {
  std::string node;     // what its HELLO says; proved only where identity.names_nodes
  std::string address;  // as in logs: "tls://10.0.0.2:40112"
  PeerIdentity identity;
};

// True if `text` is `pattern`, in which each * stands for any characters, or none.
[[nodiscard]] ONWARD_API bool matches(std::string_view pattern, std::string_view text) noexcept;
// How closely `pattern` says what `text` is: the length without *, and most of all where it has none; nothing where it
// does not match.
[[nodiscard]] ONWARD_API std::optional<std::size_t> match_rank(std::string_view pattern,
                                                               std::string_view text) noexcept;
// The element of `rules`, a map by pattern, whose pattern says most closely what `text` is; end() where none matches.
template <class Rules>
[[nodiscard]] typename Rules::const_iterator most_specific(const Rules& rules, std::string_view text) noexcept {
  auto decides = rules.end();
  std::size_t best = 0;
  for (auto rule = rules.begin(); rule != rules.end(); ++rule) {
    const std::optional<std::size_t> here = match_rank(rule->first, text);
    if (!here || (decides != rules.end() && *here < best)) continue;
    decides = rule;
    best = *here;
  }
  return decides;
}
// True if one of `patterns` matches one of the peer's names, or "anonymous" if it has none.
[[nodiscard]] ONWARD_API bool matches_any(const std::vector<std::string>& patterns, const PeerIdentity& peer) noexcept;

// Which peers may call which functions.
class ONWARD_API AccessRules {
 public:
  // The functions whose names match `pattern` are for peers that match one of `identities`; an empty list: for
  // nobody. ALREADY_EXISTS if there is a rule for that pattern.
  Status add(std::string pattern, std::vector<std::string> identities);
  // The rule with the most specific pattern decides: the longest, not counting *. Without any: everybody.
  [[nodiscard]] bool allows(std::string_view function, const PeerIdentity& peer) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
  [[nodiscard]] const std::map<std::string, std::vector<std::string>>& all() const noexcept { return rules_; }

 private:
  std::map<std::string, std::vector<std::string>> rules_;
};

}  // namespace onward
