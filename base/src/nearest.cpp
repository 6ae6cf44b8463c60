// SPDX-License-Identifier: Apache-2.0
#include "nearest.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace onward {
namespace {

constexpr std::size_t kLongestWord = 64;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// `limit` for any that is not below it.
std::size_t distance(std::string_view word, std::string_view candidate, std::size_t limit) {
  if (std::max(word.size(), candidate.size()) - std::min(word.size(), candidate.size()) >= limit) return limit;
  const std::size_t found = edit_distance(word, candidate);
  return found < candidate.size() ? std::min(found, limit) : limit;
}

}  // namespace

std::vector<std::string> nearest_words(std::string_view word, const std::vector<std::string>& known, std::size_t most) {
  if (word.size() > kLongestWord) return {};
  const std::size_t limit = std::max<std::size_t>(word.size() / 3, 2) + 1;
  const bool dotted = word.find('.') != std::string_view::npos;
  std::vector<std::pair<std::size_t, const std::string*>> found;
  for (const std::string& candidate : known) {
    std::size_t here = distance(word, candidate, limit);
    const std::size_t dot = candidate.rfind('.');
    if (!dotted && dot != std::string::npos) {
      here = std::min(here, distance(word, std::string_view(candidate).substr(dot + 1), limit));
    }
    if (here < limit) found.emplace_back(here, &candidate);
  }
  std::ranges::sort(found, {}, [](const auto& entry) {
    return std::tuple(entry.first, entry.second->size(), std::string_view(*entry.second));
  });
  std::vector<std::string> words;
  for (const auto& [unused, candidate] : found) {
    if (words.size() < most) words.push_back(*candidate);
  }
  return words;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::vector<std::string> words = nearest_words(word, known, 1);
  return words.empty() ? std::string() : std::move(words.front());
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  if (const std::string near = nearest(word, known); !near.empty()) return "; did you mean \"" + near + "\"?";
  return "; there are " + (known.empty() ? "none" : join(known));
}

std::string join(std::span<const std::string> words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

}  // namespace onward
