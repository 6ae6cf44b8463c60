// SPDX-License-Identifier: Apache-2.0
#include "new_project.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>

#include "command_line/text.h"
#include "onward/version.h"
#include "project_templates.h"

namespace onward {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
// Of targets that Meson makes itself, and of Onward.
constexpr std::string_view kReserved[] = {"all",     "benchmark", "clean",       "coverage", "dist",
                                          "install", "onward",    "reconfigure", "test",     "uninstall"};

bool is_small_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_name_character(char c) { return is_small_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

// weather_report as WeatherReport.
std::string camel_case(std::string_view name) {
  std::string text;
  bool begins_word = true;
  for (const char c : name) {
    if (c != '_') text += begins_word && is_small_letter(c) ? static_cast<char>(c - 'a' + 'A') : c;
    begins_word = c == '_';
  }
  return text;
}

// "0.1" of "0.1.0": what is compatible.
std::string series() {
  const std::string release = kRelease;
  return release.substr(0, release.find('.', release.find('.') + 1));
}

// Named by the project; not yet where it belongs, and gone again unless it is kept.
class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(std::filesystem::path path) : path_(std::move(path)) {}
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  void keep() noexcept { path_.clear(); }

 private:
  std::filesystem::path path_;
};

Status cannot(const std::string& what, const std::filesystem::path& path, int error_number) {
  return {StatusCode::kUnavailable, "cannot " + what + " " + path.string() + ": " + std::strerror(error_number)};
}

Status write_file(const std::filesystem::path& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? Status() : cannot("write", path, errno);
}

// Nothing may have come there meanwhile; where the file system cannot tell, nothing was there a moment ago.
Status move_into_place(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL && ::rename(from.c_str(), to.c_str()) == 0) return {};
  return cannot("make", to, errno);
}

}  // namespace

Status check_project_name(const NewProject& project) {
  const std::string& name = project.name;
  const auto refuse = [&](const std::string& why) {
    return Status(StatusCode::kInvalidArgument, "\"" + name + "\" is no good name: " + why);
  };
  if (name.empty() || !is_small_letter(name.front()) || !std::ranges::all_of(name, is_name_character)) {
    return refuse("it must begin with a small letter, and have small letters, digits and underscores only");
  }
  if (name.size() > kMaxNameBytes) return refuse("it has more than " + std::to_string(kMaxNameBytes) + " characters");
  if (std::ranges::find(kReserved, name) != std::end(kReserved)) return refuse("it is taken; choose another");
  if (std::ranges::find(project.taken, name) != project.taken.end()) {
    return refuse("nodes have a module of that name already; choose another");
  }
  return {};
}

Result<std::vector<std::string>> create_project(const NewProject& project, const std::filesystem::path& parent) {
  if (Status wrong = check_project_name(project); !wrong.ok()) return std::unexpected(wrong);
  const std::filesystem::path folder = (parent / project.name).lexically_normal();
  std::error_code failed;
  if (std::filesystem::exists(std::filesystem::symlink_status(folder, failed))) {
    return fail(StatusCode::kAlreadyExists,
                folder.string() + " is there already, and is left as it is; choose another name");
  }
  UnfinishedFolder unfinished(parent / ("." + project.name + ".new-" + std::to_string(::getpid())));
  if (!std::filesystem::create_directory(unfinished.path(), failed)) {
    return std::unexpected(cannot("make a folder in", parent, failed ? failed.value() : EEXIST));
  }
  const std::string_view kind = project.kind == ProjectKind::kModule ? "module" : "node";
  std::vector<std::string> files;
  for (const ProjectTemplate& each : project_templates()) {
    if (each.kind != kind && each.kind != "both") continue;
    std::string file(each.file);
    std::string text(each.text);
    replace_all(file, "NAME", project.name);
    replace_all(text, "{{name}}", project.name);
    replace_all(text, "{{Name}}", camel_case(project.name));
    replace_all(text, "{{onward}}", series());
    if (Status wrong = write_file(unfinished.path() / file, text); !wrong.ok()) return std::unexpected(wrong);
    files.push_back(std::move(file));
  }
  if (Status wrong = move_into_place(unfinished.path(), folder); !wrong.ok()) return std::unexpected(wrong);
  unfinished.keep();
  std::ranges::sort(files);
  return files;
}

}  // namespace onward
