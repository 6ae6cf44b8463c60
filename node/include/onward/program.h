// SPDX-License-Identifier: Apache-2.0
//
// The command line of a node binary: `onward` itself, or one of your own, which then has the same commands, help,
// manual pages and completion under its own name.
//
//   ONWARD_LINKED_MODULE(greeter);
//   int main(int argc, char** argv) {
//     return onward::run_program(argc, argv, {.name = "greeter",
//                                             .version = "1.0",
//                                             .summary = "a node that greets",
//                                             .modules = {&onward_module_greeter}});
//   }
#pragma once

#include <string>
#include <vector>

#include "onward/export.h"

namespace onward {

struct ModuleDescriptor;

// The command `certs`, and options for certificates in commands that connect to nodes: what a program needs OpenSSL
// for, besides the transport tls.
struct CertificateTools;
ONWARD_API extern const CertificateTools kCertificateTools;

struct ProgramOptions {
  std::string name = "onward";  // as it is called, and as its manual page is
  std::string version = {};
  std::string summary = {};  // half a line: what it is
  // That configurations may name. Others can be loaded: see onward/module_library.h.
  std::vector<const ModuleDescriptor*> modules = {};
  const CertificateTools* certificates = nullptr;  // none: nobody is asked for certificates
};

// Does what the command line says, to its end, and returns the exit code: 2 for a command line that is wrong, with the
// reason on standard error. The program has every transport and codec of Onward, and kCertificateTools, besides what
// `options` say. Once, from main(), before the program has threads. Standard streams that are closed are opened to
// /dev/null. Never throws.
[[nodiscard]] ONWARD_API int run_program(int argc, char** argv, ProgramOptions options);

// The same with what `options` say and nothing else. Linked with libonward.a, a program has of Onward only what it
// names: a node that speaks TCP alone needs no OpenSSL. It must have one transport and one codec.
[[nodiscard]] ONWARD_API int run_minimal_program(int argc, char** argv, const ProgramOptions& options);

}  // namespace onward
