// SPDX-License-Identifier: Apache-2.0
//
// Module "search": what it does, and its arguments, are in search.h.
#include <algorithm>
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

[[noreturn]] void refuse(std::string why) { throw RpcError(StatusCode::kInvalidArgument, std::move(why)); }

// An integer argument from 1 to `highest`.
std::int64_t positive(const ModuleArguments& arguments, const char* key, std::int64_t otherwise,
                      std::int64_t highest = std::numeric_limits<std::int64_t>::max()) {
  const auto value = arguments.get<std::int64_t>(key, otherwise);
  if (value < 1 || value > highest) {
    refuse(std::string(key) + " must be " +
           (highest == std::numeric_limits<std::int64_t>::max() ? "1 or more" : "1 to " + std::to_string(highest)) +
           ", not " + std::to_string(value));
  }
  return value;
}

Duration milliseconds(const ModuleArguments& arguments, const char* key, Duration otherwise) {
  constexpr std::int64_t kDay = 24 * 3600 * 1000;
  const auto otherwise_ms = std::chrono::duration_cast<std::chrono::milliseconds>(otherwise).count();
  return std::chrono::milliseconds(positive(arguments, key, otherwise_ms, kDay));
}

FolderOptions read_folder_options(const ModuleArguments& arguments) {
  constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 30;
  constexpr std::int64_t kMaxLineBytes = 65'536;
  constexpr std::int64_t kMaxParts = 1'000'000;
  FolderOptions options;
  options.folder = std::filesystem::absolute(arguments.get<std::string>("folder"));
  options.ignore_case = arguments.get<bool>("ignore_case", false);
  options.parts = static_cast<std::uint64_t>(positive(arguments, "parts", 1, kMaxParts));
  options.part = static_cast<std::uint64_t>(positive(arguments, "part", 1, static_cast<std::int64_t>(options.parts)));
  options.max_file_bytes = static_cast<std::size_t>(
      positive(arguments, "max_file_bytes", static_cast<std::int64_t>(options.max_file_bytes), kMaxFileBytes));
  options.max_files =
      static_cast<std::size_t>(positive(arguments, "max_files", static_cast<std::int64_t>(options.max_files)));
  options.max_line_bytes = static_cast<std::size_t>(
      positive(arguments, "max_line_bytes", static_cast<std::int64_t>(options.max_line_bytes), kMaxLineBytes));
  options.time_limit = milliseconds(arguments, "time_limit_ms", options.time_limit);
  return options;
}

class SearchModule final : public Module {
 public:
  Status start(ModuleContext& context) override {
    const ModuleArguments& arguments = context.arguments();
    if (arguments.contains("folder") && arguments.contains("shards")) {
      refuse("it has both \"folder\" and \"shards\"; for both, run two nodes");
    }
    if (!arguments.contains("folder") && !arguments.contains("shards")) {
      refuse("it needs \"folder\", to search files here, or \"shards\", to ask other nodes");
    }
    return arguments.contains("folder") ? start_folder(context) : start_front(context);
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
    const Duration timeout = milliseconds(context.arguments(), "shard_timeout_ms", std::chrono::seconds(5));
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

// NOLINTBEGIN(readability-identifier-naming): the name by which Meson's list of modules finds it
extern const ModuleDescriptor search_module;
const ModuleDescriptor search_module =
    describe_module<SearchModule>("search", "1.0", "finds lines in text files, here or on many nodes at once");
// NOLINTEND(readability-identifier-naming)

}  // namespace onward
