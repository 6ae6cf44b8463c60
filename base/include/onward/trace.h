// SPDX-License-Identifier: Apache-2.0
//
// What a call carries besides its arguments, from hop to hop: where it belongs in a distributed trace, as W3C Trace
// Context says (https://www.w3.org/TR/trace-context/), and baggage, which is a few words of the user's own
// (https://www.w3.org/TR/baggage/, whose limits these are).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onward/export.h"
#include "onward/status.h"

namespace onward {

// One call's place in a trace. A value.
struct ONWARD_API TraceContext {
  std::array<std::uint8_t, 16> trace_id{};  // the same for all calls of a trace; never all zero
  std::array<std::uint8_t, 8> span_id{};    // this call's; never all zero
  std::uint8_t flags = kSampled;

  static constexpr std::uint8_t kSampled = 1;

  // The beginning of a trace: random ids. Any thread.
  [[nodiscard]] static TraceContext generate();
  // Of a call that this one makes, or that came with this one: the same trace, another span.
  [[nodiscard]] TraceContext child() const;
  // "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; nothing for what is not such a text. Later versions are
  // read as far as they agree.
  [[nodiscard]] static std::optional<TraceContext> parse(std::string_view traceparent);
  [[nodiscard]] std::string to_string() const;
  // "4bf92f3577b34da6a3ce929d0e0e4736", for logs.
  [[nodiscard]] std::string trace_id_text() const;

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// Words that go with a call and all that it causes. Small: it travels with each of these calls.
class ONWARD_API Baggage {
 public:
  static constexpr std::size_t kMaxEntries = 64;
  static constexpr std::size_t kMaxBytes = 8192;  // of all keys and values

  // Adds or replaces. INVALID_ARGUMENT for an empty key; RESOURCE_EXHAUSTED beyond the limits, and then nothing
  // changes.
  Status set(std::string_view key, std::string_view value);
  void remove(std::string_view key);
  // The value; nothing where there is none. Valid until the next change.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view key) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& entries() const noexcept { return entries_; }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
  std::size_t bytes_ = 0;
};

// What calls inherit. Immutable once it is shared.
struct CallMetadata {
  std::optional<TraceContext> trace;
  Baggage baggage;

  [[nodiscard]] bool empty() const noexcept { return !trace && baggage.empty(); }
};

}  // namespace onward
