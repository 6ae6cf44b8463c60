// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "tls/openssl_handle.h"

namespace onward {

// The newest session with each peer, for the next connection to it to begin with: that one then needs no
// certificates and no signatures. Loop thread only.
class SessionCache {
 public:
  static constexpr std::size_t kMaxSessions = 256;

  // Of a peer that is called `key`. When there is no room, the one that was kept first goes.
  void keep(const std::string& key, SessionHandle session);
  // Null if there is none. A session is used once: who listens to two connections cannot tell that they are of
  // the same client.
  [[nodiscard]] SessionHandle take(const std::string& key);
  [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

 private:
  struct Entry {
    SessionHandle session;
    std::uint64_t number;
  };
  std::map<std::string, Entry> sessions_;
  std::uint64_t next_number_ = 0;
};

}  // namespace onward
