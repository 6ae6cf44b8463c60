// SPDX-License-Identifier: Apache-2.0
#include "onward/trace.h"

#include <algorithm>
#include <random>
#include <ranges>
#include <span>

namespace onward {
namespace {

constexpr std::size_t kTraceparentBytes = 55;
constexpr std::string_view kDigits = "0123456789abcdef";

void fill_random(std::span<std::uint8_t> bytes) {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  do {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  } while (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; }));
}

void append_hex(std::string& text, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
}

// Lower case only, as the standard wants it.
bool read_hex(std::string_view text, std::span<std::uint8_t> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t high = kDigits.find(text[2 * i]);
    const std::size_t low = kDigits.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

bool is_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

TraceContext TraceContext::generate() {
  TraceContext made;
  fill_random(made.trace_id);
  fill_random(made.span_id);
  return made;
}

TraceContext TraceContext::child() const {
  TraceContext made = *this;
  fill_random(made.span_id);
  return made;
}

std::optional<TraceContext> TraceContext::parse(std::string_view traceparent) {
  if (traceparent.size() < kTraceparentBytes) return std::nullopt;
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  TraceContext read;
  if (!read_hex(traceparent, version) || version[0] == 0xFF) return std::nullopt;
  if (version[0] == 0 && traceparent.size() != kTraceparentBytes) return std::nullopt;
  if (traceparent.size() > kTraceparentBytes && traceparent[kTraceparentBytes] != '-') return std::nullopt;
  if (traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') return std::nullopt;
  if (!read_hex(traceparent.substr(3), read.trace_id) || !read_hex(traceparent.substr(36), read.span_id) ||
      !read_hex(traceparent.substr(53), flags) || is_zero(read.trace_id) || is_zero(read.span_id))
    return std::nullopt;
  read.flags = flags[0];
  return read;
}

std::string TraceContext::to_string() const {
  std::string text = "00-";
  append_hex(text, trace_id);
  text += '-';
  append_hex(text, span_id);
  text += '-';
  append_hex(text, {&flags, 1});
  return text;
}

std::string TraceContext::trace_id_text() const {
  std::string text;
  append_hex(text, trace_id);
  return text;
}

Status Baggage::set(std::string_view key, std::string_view value) {
  if (key.empty()) return {StatusCode::kInvalidArgument, "baggage needs a key"};
  const auto found = std::ranges::find(entries_, key, &std::pair<std::string, std::string>::first);
  const bool is_new = found == entries_.end();
  const std::size_t bytes = bytes_ - (is_new ? 0 : key.size() + found->second.size()) + key.size() + value.size();
  if (bytes > kMaxBytes || (is_new && entries_.size() == kMaxEntries)) {
    return {StatusCode::kResourceExhausted, "baggage \"" + std::string(key.substr(0, 64)) + "\" of " +
                                                std::to_string(value.size()) + " bytes does not fit: a call carries " +
                                                std::to_string(kMaxEntries) + " entries and " +
                                                std::to_string(kMaxBytes) + " bytes at most"};
  }
  if (is_new) {
    entries_.emplace_back(key, value);
  } else {
    found->second = value;
  }
  bytes_ = bytes;
  return {};
}

void Baggage::remove(std::string_view key) {
  const auto found = std::ranges::find(entries_, key, &std::pair<std::string, std::string>::first);
  if (found == entries_.end()) return;
  bytes_ -= found->first.size() + found->second.size();
  entries_.erase(found);
}

std::optional<std::string_view> Baggage::get(std::string_view key) const noexcept {
  const auto found = std::ranges::find(entries_, key, &std::pair<std::string, std::string>::first);
  return found == entries_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

}  // namespace onward
