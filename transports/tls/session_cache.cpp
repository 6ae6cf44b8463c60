// SPDX-License-Identifier: Apache-2.0
#include "tls/session_cache.h"

#include <algorithm>
#include <utility>

namespace onward {

void SessionCache::keep(const std::string& key, SessionHandle session) {
  sessions_.insert_or_assign(key, Entry{std::move(session), next_number_++});
  if (sessions_.size() <= kMaxSessions) return;
  sessions_.erase(std::ranges::min_element(sessions_, {}, [](const auto& entry) { return entry.second.number; }));
}

SessionHandle SessionCache::take(const std::string& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  SessionHandle session = std::move(found->second.session);
  sessions_.erase(found);
  return session;
}

}  // namespace onward
