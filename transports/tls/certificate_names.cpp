// SPDX-License-Identifier: Apache-2.0
#include "tls/certificate_names.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "tls/openssl_handle.h"

namespace onward {
namespace {

constexpr std::size_t kShownCharacters = 64;

using NamesHandle = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string shown_name(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, kShownCharacters)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > kShownCharacters ? "…\"" : "\"");
}

std::string describe(const X509_NAME* name) {
  const int at = name == nullptr ? -1 : X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "nobody by name";
  return shown_name(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
}

}  // namespace

std::vector<std::string> node_names(X509* certificate) {
  const NamesHandle alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> nodes;
  std::vector<std::string> hosts;
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_URI) {
      const std::string_view uri = text_of(name->d.uniformResourceIdentifier);
      if (uri.size() > kNodeUriPrefix.size() && uri.starts_with(kNodeUriPrefix)) {
        nodes.emplace_back(uri.substr(kNodeUriPrefix.size()));
      }
    } else if (name->type == GEN_DNS) {
      hosts.emplace_back(text_of(name->d.dNSName));
    }
  }
  return nodes.empty() ? hosts : nodes;
}

bool is_for_node(X509* certificate, std::string_view node) {
  const std::vector<std::string> names = node_names(certificate);
  return std::ranges::find(names, node) != names.end();
}

bool is_for_host(X509* certificate, const std::string& host) {
  // The common name says nothing about hosts, and *.example.org is every host there, but not f*.example.org.
  constexpr unsigned kFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  return X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
         X509_check_host(certificate, host.data(), host.size(), kFlags, nullptr) == 1;
}

std::string describe_subject(X509* certificate) {
  const std::vector<std::string> names = node_names(certificate);
  if (names.empty()) return describe(X509_get_subject_name(certificate));
  std::string text;
  constexpr std::size_t kShownNames = 4;
  for (std::size_t i = 0; i < std::min(names.size(), kShownNames); ++i)
    text += (i == 0 ? "" : ", ") + shown_name(names[i]);
  return names.size() > kShownNames ? text + ", …" : text;
}

std::string describe_issuer(X509* certificate) { return describe(X509_get_issuer_name(certificate)); }

std::string describe_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable time";
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), length};
}

}  // namespace onward
