// SPDX-License-Identifier: Apache-2.0
#include "client_node.h"

#include <unistd.h>

#include "certificate_tools.h"
#include "onward/module_library.h"

namespace onward {
namespace {

Settings tls_arguments(const TlsOptions& tls) {
  Settings arguments;
  const auto add = [&](const char* key, const std::string& file, const char* option) {
    if (!file.empty()) arguments[key] = {.value = file, .origin = option};
  };
  add("ca", tls.ca, "--tls-ca");
  add("certificate", tls.certificate, "--tls-cert");
  add("key", tls.key, "--tls-key");
  return arguments;
}

}  // namespace

Result<NodeOptions> client_node_options(const std::string& command, const ProgramOptions& program, const Url& url,
                                        const TlsOptions& tls) {
  NodeOptions options;
  options.name = command + "-" + std::to_string(::getpid());
  if (!tls.certificate.empty() && program.certificates != nullptr) {
    // Where the certificate cannot be used, connecting says why.
    options.name = program.certificates->first_node_name(tls.certificate).value_or(command);
  }
  for (const ModuleDescriptor* descriptor : program.modules) {
    if (descriptor->create != nullptr) continue;
    const bool is_tls = descriptor->name() == "tls";
    options.modules.push_back({.descriptor = descriptor, .arguments = is_tls ? tls_arguments(tls) : Settings()});
  }
  if (const Result<FoundModule> found = find_module(url.scheme, program.modules, module_path())) {
    const bool is_loaded_transport = !found->file.empty() && found->descriptor->make_transport != nullptr;
    if (is_loaded_transport) options.modules.push_back({.descriptor = found->descriptor, .file = found->file});
  } else if (found.error().code() == StatusCode::kFailedPrecondition) {
    return std::unexpected(found.error());
  }
  return options;
}

}  // namespace onward
