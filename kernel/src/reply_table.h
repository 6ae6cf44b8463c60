// SPDX-License-Identifier: Apache-2.0
//
// The replies of one connection that wait for their Futures, by call id. Chains through the replies, one to two long:
// to take one out touches none but its neighbour. 4 to 8 bytes an entry, and the reply's own link. Loop thread only.
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
  // Nothing where it is not in the table.
  void erase(const detail::ParkedReply& reply) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Any; null where it is empty.
  [[nodiscard]] detail::ParkedReply* first() const noexcept;
  // `visit` must not change the table.
  template <class F>
  void for_each(F visit) const {
    for (detail::ParkedReply* reply : slots_) {
      for (; reply != nullptr; reply = reply->next) visit(*reply);
    }
  }

 private:
  // Of a table that has slots.
  [[nodiscard]] std::size_t slot_of(std::uint64_t call_id) const noexcept;
  void resize(std::size_t slots);

  std::vector<detail::ParkedReply*> slots_;  // as many as a power of two
  std::size_t size_ = 0;
  std::uint64_t factor_ = 0;  // nobody outside knows it
  unsigned shift_ = 0;
  mutable std::size_t first_ = 0;  // before it all are empty
};

}  // namespace onward
