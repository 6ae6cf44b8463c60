// SPDX-License-Identifier: Apache-2.0
#include "search/front_search.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace onward::search {
namespace {

struct Gathering {
  std::vector<std::string> shards;
  std::size_t limit;
  std::size_t missing;
  std::vector<Result<SearchResult>> answers;
  Future<SearchResult> merged;
};

template <class T>
void append(std::vector<T>& to, std::vector<T>& from, std::size_t limit) {
  const std::size_t count = std::min(from.size(), limit - std::min(limit, to.size()));
  std::move(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count), std::back_inserter(to));
}

}  // namespace

SearchResult merge(const std::vector<std::string>& shards, std::vector<Result<SearchResult>> answers,
                   std::size_t limit) {
  SearchResult all;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) {
      const Status& error = answers[i].error();
      all.failures.push_back({shards[i], std::string(to_string(error.code())) + ": " + error.message()});
      continue;
    }
    SearchResult& answer = *answers[i];
    all.truncated |= answer.truncated || all.hits.size() + answer.hits.size() > limit;
    append(all.hits, answer.hits, limit);
    append(all.unread, answer.unread, kMaxUnread);
    // Of a shard that is a front itself.
    for (ShardFailure& failure : answer.failures) {
      all.failures.push_back({shards[i] + " > " + failure.shard, std::move(failure.error)});
    }
    all.files_searched += answer.files_searched;
    all.files_skipped += answer.files_skipped;
  }
  return all;
}

Future<SearchResult> search_shards(const std::vector<std::string>& shards, Duration timeout, const std::string& pattern,
                                   std::int64_t limit) {
  const std::size_t checked_limit = check_query(pattern, limit);
  auto gathering =
      std::make_shared<Gathering>(Gathering{shards, checked_limit, shards.size(), {}, Future<SearchResult>()});
  gathering->answers.resize(shards.size());
  Future<SearchResult> merged = gathering->merged;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    rpc_async(to(shards[i], {.timeout = timeout, .fail_fast = true}), kSearch, pattern, limit)
        .on_done([gathering, i](const Result<SearchResult>& answer) {
          gathering->answers[i] = answer;
          if (--gathering->missing > 0) return;
          gathering->merged.mark_complete(merge(gathering->shards, std::move(gathering->answers), gathering->limit));
        });
  }
  return merged;
}

}  // namespace onward::search
