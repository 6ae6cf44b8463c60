// SPDX-License-Identifier: Apache-2.0
//
// Module "search": what it does, and its arguments, are in search.h.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "onward/module.h"
#include "search/folder_search.h"
#include "search/front_search.h"

namespace onward {
namespace {

using search::FolderOptions;
using search::FolderSearch;

constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 30;
constexpr std::int64_t kMaxLineBytes = 65'536;
constexpr std::int64_t kMaxParts = 1'000'000;
constexpr std::int64_t kMaxFiles = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kDayMs = 24 * 3600 * 1000;

constexpr Parameter kParameters[] = {
    optional_parameter<std::string>("folder", "the folder whose text files this node searches; or"),
    optional_parameter<std::vector<std::string>>("shards", "the nodes that this node asks, to merge their answers"),
    parameter("shard_timeout_ms", 5000, "how long each of them may take").unit("ms").range(1, kDayMs),
    parameter("ignore_case", false, "whether `a` finds `A`"),
    parameter("part", 1, "search only this share of the files,").range(1, kMaxParts),
    parameter("parts", 1, "of so many").range(1, kMaxParts),
    parameter("max_file_bytes", std::int64_t{16} << 20, "larger files are skipped")
        .unit("bytes")
        .range(1, kMaxFileBytes),
    parameter("max_files", 1'000'000, "a search ends after so many files").range(1, kMaxFiles),
    parameter("max_line_bytes", 240, "longer lines are cut").unit("bytes").range(1, kMaxLineBytes),
    parameter("time_limit_ms", 4000, "a search answers with what it has then").unit("ms").range(1, kDayMs),
};

[[noreturn]] void refuse(std::string why) { throw RpcError(StatusCode::kInvalidArgument, std::move(why)); }

Status check(const Arguments& arguments) {
  if (arguments.contains("folder") && arguments.contains("shards")) {
    refuse("it has both \"folder\" and \"shards\"; for both, run two nodes");
  }
  if (!arguments.contains("folder") && !arguments.contains("shards")) {
    refuse("it needs \"folder\", to search files here, or \"shards\", to ask other nodes");
  }
  const bool here = arguments.contains("folder");
  for (const Parameter& parameter : kParameters) {
    const bool of_shards = parameter.key.starts_with("shard");
    if (parameter.key == "folder" || parameter.key == "shards" || of_shards != here) continue;
    if (!arguments.contains(parameter.key)) continue;
    refuse(std::string(parameter.key) + " is for a node with \"" + (here ? "shards" : "folder") + "\", not with \"" +
           (here ? "folder" : "shards") + "\"");
  }
  const auto parts = arguments.get<std::int64_t>("parts");
  if (const auto part = arguments.get<std::int64_t>("part"); part > parts) {
    refuse("part must be 1 to " + std::to_string(parts) + ", not " + std::to_string(part));
  }
  return {};
}

Duration milliseconds(const Arguments& arguments, const char* key) {
  return std::chrono::milliseconds(arguments.get<std::int64_t>(key));
}

FolderOptions read_folder_options(const Arguments& arguments) {
  FolderOptions options;
  options.folder = std::filesystem::absolute(arguments.get<std::string>("folder"));
  options.ignore_case = arguments.get<bool>("ignore_case");
  options.parts = arguments.get<std::uint64_t>("parts");
  options.part = arguments.get<std::uint64_t>("part");
  options.max_file_bytes = arguments.get<std::size_t>("max_file_bytes");
  options.max_files = arguments.get<std::size_t>("max_files");
  options.max_line_bytes = arguments.get<std::size_t>("max_line_bytes");
  options.time_limit = milliseconds(arguments, "time_limit_ms");
  return options;
}

class SearchModule final : public Module {
 public:
  Status start(ModuleContext& context) override {
    return context.arguments().contains("folder") ? start_folder(context) : start_front(context);
  }

  Future<void> stop() override {
    if (folder_) folder_->stop();
    return Future<void>::of();
  }

 private:
  Status start_folder(ModuleContext& context) {
    folder_ = std::make_shared<FolderSearch>(context.node().name(), read_folder_options(context.arguments()));
    return context.functions().add("search",
                                   blocking([folder = folder_](const std::string& pattern, std::int64_t limit) {
                                     return folder->search(pattern, limit);
                                   }),
                                   "lines of this node's text files that hold the pattern");
  }

  static Status start_front(ModuleContext& context) {
    auto shards = context.arguments().get<std::vector<std::string>>("shards");
    const Duration timeout = milliseconds(context.arguments(), "shard_timeout_ms");
    if (shards.empty()) refuse("shards is empty: name the nodes to ask");
    for (auto shard = shards.begin(); shard != shards.end(); ++shard) {
      if (*shard == context.node().name())
        refuse("shards names this node itself, \"" + *shard + "\", which would ask itself for ever");
      if (std::find(shards.begin(), shard, *shard) != shard) refuse("shards names \"" + *shard + "\" twice");
    }
    return context.functions().add(
        "search",
        [shards = std::move(shards), timeout](const std::string& pattern, std::int64_t limit) {
          return search::search_shards(shards, timeout, pattern, limit);
        },
        "what the shards' search gives, merged");
  }

  std::shared_ptr<FolderSearch> folder_;
};

}  // namespace

ONWARD_MODULE(search, .version = "1.0", .summary = "finds lines in text files, here or on many nodes at once",
              .create = make_module<SearchModule>, .parameters = kParameters, .check = check);

}  // namespace onward
