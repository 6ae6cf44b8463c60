// SPDX-License-Identifier: Apache-2.0
#include "tls_config.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "onward/tls/tls_transport.h"

namespace onward {
namespace {

void read_file(ConfigReader& tls, std::string_view key, const std::filesystem::path& folder, std::string& out) {
  std::string name;
  if (!tls.read(key, name)) return;
  const std::filesystem::path path = (folder / name).lexically_normal();
  if (!std::ifstream(path) || std::filesystem::is_directory(path)) {
    const int number = std::filesystem::is_directory(path) ? EISDIR : errno;
    tls.errors().add(tls.find(key)->source(), "[tls] " + std::string(key) + ": the file " + path.string() +
                                                  " cannot be read: " + std::generic_category().message(number));
    return;
  }
  out = path.string();
}

// One of two words, of which the first is the default.
bool is_second(ConfigReader& tls, std::string_view key, std::string_view first, std::string_view second) {
  std::string word;
  if (!tls.read(key, word) || word == first) return false;
  if (word != second) {
    tls.wrong(key, *tls.find(key), "\"" + std::string(first) + "\" or \"" + std::string(second) + "\"");
  }
  return word == second;
}

}  // namespace

void read_tls(ConfigReader tls, const std::string& config_file, TlsOptions& options) {
  const std::size_t before = tls.errors().size();
  const std::filesystem::path folder = std::filesystem::path(config_file).parent_path();
  read_file(tls, "certificate", folder, options.certificate);
  read_file(tls, "key", folder, options.key);
  read_file(tls, "ca", folder, options.ca);
  read_file(tls, "crl", folder, options.crl);
  if (is_second(tls, "min_version", "1.3", "1.2")) options.min_version = TlsOptions::Version::kTls12;
  options.require_peer_certificate = !is_second(tls, "peer_certificates", "required", "optional");
  tls.refuse_unknown();
  if (tls.errors().size() > before) return;
  const Status unusable = check_tls_files(options);
  if (!unusable.ok()) tls.errors().add(tls.content().source(), "[tls]: " + unusable.message());
}

}  // namespace onward
