// SPDX-License-Identifier: Apache-2.0
//
// A search through other nodes.
#pragma once

#include <string>
#include <vector>

#include "search/search.h"

namespace onward::search {

// What several shards answered, as one answer. Lists of the same length, in the order of the result.
[[nodiscard]] SearchResult merge(const std::vector<std::string>& shards, std::vector<Result<SearchResult>> answers,
                                 std::size_t limit);

// Asks all `shards` at once, each for `limit` hits, with `timeout` for each; on the kernel thread. The Future fails
// for a bad query only.
[[nodiscard]] Future<SearchResult> search_shards(const std::vector<std::string>& shards, Duration timeout,
                                                 const std::string& pattern, std::int64_t limit);

}  // namespace onward::search
