// SPDX-License-Identifier: Apache-2.0
//
// A search through the text files of one folder. Blocks: for pool threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "search/search.h"

namespace onward::search {

// Each is explained in search.h.
struct FolderOptions {
  std::string folder;
  bool ignore_case = false;
  std::uint64_t part = 1;
  std::uint64_t parts = 1;
  std::size_t max_file_bytes = std::size_t{16} << 20;
  std::size_t max_files = 1'000'000;
  std::size_t max_line_bytes = 240;
  Duration time_limit = std::chrono::seconds(4);  // the defaults are the module's
};

class FolderSearch {
 public:
  static constexpr std::size_t kMaxDepth = 64;  // folders in folders; deeper ones are reported as unread

  // `shard` is the name that hits carry. Throws RpcError if the folder cannot be opened now.
  FolderSearch(std::string shard, FolderOptions options);

  // search(pattern, limit) of search.h. Any thread, any number at a time; the folder may change meanwhile.
  // Throws RpcError: INVALID_ARGUMENT for the query; NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE if the
  // folder itself can no longer be read.
  [[nodiscard]] SearchResult search(std::string_view pattern, std::int64_t limit) const;

  // Searches that run come to an end soon, as truncated. Any thread.
  void stop() noexcept { stopping_.store(true, std::memory_order_relaxed); }

 private:
  std::string shard_;
  FolderOptions options_;
  std::atomic<bool> stopping_{false};
};

}  // namespace onward::search
