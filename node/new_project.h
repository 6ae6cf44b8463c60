// SPDX-License-Identifier: Apache-2.0
//
// Writes what a project with Onward begins with, from node/templates/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "onward/status.h"

namespace onward {

enum class ProjectKind : std::uint8_t { kModule, kNode };

struct NewProject {
  ProjectKind kind;
  std::string name;
  std::vector<std::string> taken = {};  // names of modules that nodes have anyway
};

// INVALID_ARGUMENT, with what a name must be, for one that is not good for a folder, a program, a module and a C++
// identifier at once.
[[nodiscard]] Status check_project_name(const NewProject& project);

// Makes the folder NAME in `parent`, which exists, with all of its files, or nothing. Returns the files' names. As
// check_project_name(); ALREADY_EXISTS where there is something of that name; UNAVAILABLE with the system's reason.
[[nodiscard]] Result<std::vector<std::string>> create_project(const NewProject& project,
                                                              const std::filesystem::path& parent);

}  // namespace onward
