// SPDX-License-Identifier: Apache-2.0
#include "search/folder_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "search/line_search.h"

namespace onward::search {
namespace {

using Directory = std::unique_ptr<DIR, decltype([](DIR* directory) { ::closedir(directory); })>;

class File {
 public:
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

std::string error_text(int error_number) { return std::generic_category().message(error_number); }

// Null, with errno, if it is not there or is not a folder.
Directory open_directory(int parent, const char* name, int more_flags) {
  File file(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags));
  if (file.get() < 0) return nullptr;
  Directory directory(::fdopendir(file.get()));
  if (directory) static_cast<void>(file.release());
  return directory;
}

Directory open_root(const std::string& folder) {
  Directory root = open_directory(AT_FDCWD, folder.c_str(), 0);
  if (root) return root;
  const StatusCode code = errno == ENOENT || errno == ENOTDIR ? StatusCode::kNotFound
                          : errno == EACCES                   ? StatusCode::kPermissionDenied
                                                              : StatusCode::kUnavailable;
  throw RpcError(code, "cannot search the folder \"" + folder + "\": " + error_text(errno));
}

struct Entry {
  std::string name;
  bool is_directory = false;

  // As whole paths compare: what is in a folder comes where "name/" stands.
  friend bool operator<(const Entry& a, const Entry& b) noexcept {
    const std::size_t common = std::min(a.name.size(), b.name.size());
    if (const int order = a.name.compare(0, common, b.name, 0, common); order != 0) return order < 0;
    return a.byte_at(common) < b.byte_at(common);
  }
  [[nodiscard]] int byte_at(std::size_t i) const noexcept {
    if (i < name.size()) return static_cast<unsigned char>(name[i]);
    return is_directory ? '/' : -1;
  }
};

// One search.
class Walk {
 public:
  Walk(const std::string& shard, const FolderOptions& options, const std::atomic<bool>& stopping,
       std::string_view pattern, std::size_t limit)
      : shard_(shard),
        options_(options),
        stopping_(stopping),
        limit_(limit),
        deadline_(std::chrono::steady_clock::now() + options.time_limit),
        lines_(pattern, options.ignore_case, options.max_line_bytes) {}

  SearchResult run() {
    search_directory(open_root(options_.folder), "", 0);
    return std::move(result_);
  }

 private:
  void search_directory(const Directory& directory, const std::string& path, std::size_t depth) {
    for (const Entry& entry : list(directory, path)) {
      if (ended()) return;
      const std::string entry_path = path + entry.name;
      if (!entry.is_directory) {
        search_file(::dirfd(directory.get()), entry.name, entry_path);
      } else if (depth == FolderSearch::kMaxDepth) {
        report(entry_path, "lies too deep, below " + std::to_string(FolderSearch::kMaxDepth) + " folders");
      } else if (const Directory below = open_directory(::dirfd(directory.get()), entry.name.c_str(), O_NOFOLLOW);
                 below) {
        search_directory(below, entry_path + "/", depth + 1);
      } else {
        report_errno(entry_path);
      }
    }
  }

  // Files and folders, sorted.
  std::vector<Entry> list(const Directory& directory, const std::string& path) {
    std::vector<Entry> entries;
    for (;;) {
      errno = 0;
      const dirent* found = ::readdir(directory.get());
      if (found == nullptr) break;
      const std::string_view name(static_cast<const char*>(found->d_name));
      if (name == "." || name == "..") continue;
      if (entries_seen_ == options_.max_files) {
        report_full(path);
        break;
      }
      ++entries_seen_;
      add_entry(entries, ::dirfd(directory.get()), *found);
    }
    if (errno != 0) report_errno(path);
    std::ranges::sort(entries, std::less<>());
    return entries;
  }

  static void add_entry(std::vector<Entry>& entries, int directory, const dirent& found) {
    const char* name = static_cast<const char*>(found.d_name);
    unsigned char type = found.d_type;
    if (type == DT_UNKNOWN) {
      struct stat status{};
      if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
      type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
    }
    if (type == DT_DIR || type == DT_REG) entries.push_back({name, type == DT_DIR});
  }

  void search_file(int directory, const std::string& name, const std::string& path) {
    if (options_.parts > 1 && function_id(path) % options_.parts != options_.part - 1) return;
    // Not blocking: what was a file when it was listed may have become a pipe.
    const File file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status{};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
      report_errno(path);
    } else if (!S_ISREG(status.st_mode) || std::cmp_greater(status.st_size, options_.max_file_bytes)) {
      ++result_.files_skipped;
    } else if (read(file, path)) {
      search_text(path);
    }
  }

  // Into text_. False, and counted as skipped, for what is too large, binary or unreadable: the size is
  // known only once the end has been read, as the file may grow.
  bool read(const File& file, const std::string& path) {
    constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
    std::size_t size = 0;
    for (;;) {
      if (text_.size() < size + kChunkBytes) text_.resize(std::max(size + kChunkBytes, 2 * text_.size()));
      const ssize_t got = ::read(file.get(), text_.data() + size, text_.size() - size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        report_errno(path);
        return false;
      }
      if (got == 0) break;
      const std::string_view chunk(text_.data() + size, static_cast<std::size_t>(got));
      size += chunk.size();
      if (size > options_.max_file_bytes || chunk.find('\0') != chunk.npos) {
        ++result_.files_skipped;
        return false;
      }
    }
    text_bytes_ = size;
    return true;
  }

  void search_text(const std::string& path) {
    ++result_.files_searched;
    lines_.begin(std::string_view(text_).substr(0, text_bytes_));
    while (auto line = lines_.next()) {
      if (result_.hits.size() == limit_) {
        end();
        return;
      }
      result_.hits.push_back({shard_, to_utf8(path), line->number, std::move(line->text)});
    }
  }

  bool ended() {
    if (!ended_ && (stopping_.load(std::memory_order_relaxed) || std::chrono::steady_clock::now() >= deadline_)) end();
    return ended_;
  }
  void end() noexcept { ended_ = result_.truncated = true; }

  // Of a file that was to be read.
  void report_errno(const std::string& path) {
    const int error_number = errno;
    // Gone, or replaced, since it was listed: the folder changes, which is no error.
    if (error_number != ENOENT && error_number != ELOOP && error_number != ENOTDIR)
      report(path, error_text(error_number));
  }
  void report(const std::string& path, std::string error) {
    ++result_.files_skipped;
    if (result_.unread.size() == kMaxUnread) return;
    result_.unread.push_back({shard_, path.empty() ? "." : to_utf8(path), std::move(error)});
  }
  // What has been listed is searched, the rest is not.
  void report_full(const std::string& path) {
    result_.truncated = true;
    if (std::exchange(full_, true)) return;
    report(path, "there are more than " + std::to_string(options_.max_files) +
                     " entries (max_files); what comes from here on was not searched");
  }

  const std::string& shard_;
  const FolderOptions& options_;
  const std::atomic<bool>& stopping_;
  std::size_t limit_;
  std::chrono::steady_clock::time_point deadline_;
  LineSearch lines_;
  SearchResult result_;
  std::size_t entries_seen_ = 0;
  bool full_ = false;   // entries_seen_ has reached its limit
  bool ended_ = false;  // nothing more is to be read
  std::string text_;    // keeps its memory from file to file
  std::size_t text_bytes_ = 0;
};

}  // namespace

std::size_t check_query(std::string_view pattern, std::int64_t limit) {
  const auto refuse = [](std::string why) {
    throw RpcError(StatusCode::kInvalidArgument, "search: " + std::move(why));
  };
  if (pattern.empty()) refuse("the pattern is empty");
  if (pattern.size() > kMaxPatternBytes) {
    refuse("the pattern has " + std::to_string(pattern.size()) + " bytes, more than " +
           std::to_string(kMaxPatternBytes));
  }
  if (pattern.find_first_of("\r\n") != pattern.npos)
    refuse("the pattern must be of one line, as lines are what is searched");
  if (limit < 1) refuse("the limit must be 1 or more, not " + std::to_string(limit));
  return static_cast<std::size_t>(std::min<std::int64_t>(limit, kMaxHits));
}

FolderSearch::FolderSearch(std::string shard, FolderOptions options)
    : shard_(std::move(shard)), options_(std::move(options)) {
  static_cast<void>(open_root(options_.folder));
}

SearchResult FolderSearch::search(std::string_view pattern, std::int64_t limit) const {
  return Walk(shard_, options_, stopping_, pattern, check_query(pattern, limit)).run();
}

}  // namespace onward::search
