// SPDX-License-Identifier: Apache-2.0
#include "print_output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace onward {

int print_output(const std::string& text, const std::string& called_as) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return 0;
  std::fprintf(stderr, "%s: cannot write to standard output: %s\n", called_as.c_str(), std::strerror(errno));
  return 1;
}

}  // namespace onward
