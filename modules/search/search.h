// SPDX-License-Identifier: Apache-2.0
//
// Module "search": function search(pattern, limit), which finds lines of text files that hold `pattern` as it
// stands, byte for byte, and gives the first `limit` of them (at most kMaxHits). A node with the argument `folder`
// reads its own files; one with `shards` asks other nodes, all at once, and merges what they answer: in the order of
// its list, then by file, then by line. A shard that fails, or is too slow, is named in `failures`, beside the hits of
// the others. As both answer to one name, a front may stand before fronts.
//
//   const SearchResult result = rpc_sync("front", search::kSearch, "warranty", 10);
//
// Arguments of a node with files:
//   folder          what is searched, with all that is below; symbolic links are not followed
//   ignore_case     true: a to z match A to Z; default: false
//   part, parts     search only the part-th of `parts` shares of the files, so that several nodes divide one
//                   folder among them; default: 1 of 1
//   max_file_bytes  larger files are skipped; default: 16 MiB
//   max_files       a search gives up after so many directory entries; default: 1,000,000
//   max_line_bytes  what is shown of a line; default: 240
//   time_limit_ms   how long a search may take before it answers with what it has; default: 4,000, so that a
//                   front at its default gets this much rather than nothing
// Arguments of a front:
//   shards            names of peers, or URLs
//   shard_timeout_ms  how long each of them may take; default: 5,000
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "onward/rpc.h"
#include "onward/value.h"

namespace onward::search {

struct Hit {
  std::string shard;      // the node that has the file
  std::string file;       // below its folder
  std::int64_t line = 0;  // from 1
  std::string text;       // the line, shortened around the match if it is long
};
ONWARD_MEMBERS(Hit, shard, file, line, text)

// A shard that gave no answer.
struct ShardFailure {
  std::string shard;
  std::string error;
};
ONWARD_MEMBERS(ShardFailure, shard, error)

// A file or folder that should have been read and could not.
struct UnreadFile {
  std::string shard;
  std::string file;
  std::string error;
};
ONWARD_MEMBERS(UnreadFile, shard, file, error)

// All strings are UTF-8: other bytes are replaced by U+FFFD.
struct SearchResult {
  std::vector<Hit> hits;
  std::vector<ShardFailure> failures;
  std::vector<UnreadFile> unread;  // at most kMaxUnread; files that are gone when they are read do not count
  std::int64_t files_searched = 0;
  std::int64_t files_skipped = 0;  // binary, too large, or unread
  bool truncated = false;          // there may be more hits: a limit was reached
};
ONWARD_MEMBERS(SearchResult, hits, failures, unread, files_searched, files_skipped, truncated)

inline constexpr std::size_t kMaxHits = 10'000;
inline constexpr std::size_t kMaxUnread = 100;
inline constexpr std::size_t kMaxPatternBytes = 1024;

inline const Remote<SearchResult(std::string, std::int64_t)> kSearch("search");

// How many hits to look for. Throws RpcError(INVALID_ARGUMENT) for a pattern that is empty, longer than
// kMaxPatternBytes or more than one line, and for a limit below 1.
[[nodiscard]] std::size_t check_query(std::string_view pattern, std::int64_t limit);

}  // namespace onward::search
