// SPDX-License-Identifier: Apache-2.0
//
// A file of its own: run_minimal_program() must not bring all transports and codecs with it.
#include <utility>

#include "onward/module_library.h"
#include "onward/program.h"

namespace onward {

int run_program(int argc, char** argv, ProgramOptions options) {
  options.modules = with_builtin_modules(options.modules);
  options.certificates = &kCertificateTools;
  return run_minimal_program(argc, argv, options);
}

}  // namespace onward
