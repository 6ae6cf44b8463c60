// SPDX-License-Identifier: Apache-2.0
//
// The replies of one connection that wait for their Futures, by call id. Open addressing over bare pointers: about 12
// bytes an entry. Loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "onward/function.h"

namespace onward {

class ReplyTable {
 public:
  // False if there is one of that id.
  [[nodiscard]] bool insert(detail::ParkedReply& reply);
  // Null if there is none.
  [[nodiscard]] detail::ParkedReply* find(std::uint64_t call_id) const noexcept;
  void erase(const detail::ParkedReply& reply) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Any; null where it is empty.
  [[nodiscard]] detail::ParkedReply* first() const noexcept;
  // `visit` must not change the table.
  template <class F>
  void for_each(F visit) const {
    for (detail::ParkedReply* reply : slots_) {
      if (reply != nullptr) visit(*reply);
    }
  }

 private:
  [[nodiscard]] std::size_t home_of(std::uint64_t call_id) const noexcept;
  // Where it stands, or would.
  [[nodiscard]] std::size_t slot_of(std::uint64_t call_id) const noexcept;
  void resize(std::size_t slots);

  std::vector<detail::ParkedReply*> slots_;  // as many as a power of two
  std::size_t size_ = 0;
  unsigned shift_ = 64;
  mutable std::size_t first_ = 0;  // before it all are empty
};

}  // namespace onward
