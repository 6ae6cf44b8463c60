// SPDX-License-Identifier: Apache-2.0
//
// Writes one FlexBuffers message. Not flexbuffers::Builder: its bytes end in a vector of its own, which would
// be copied into a Buffer; it is fast only where it is kept from call to call; and it allocates a set node
// for each key. This one writes into pooled memory once, keeps nothing, and shares keys and key vectors.
// bench/flex_bench.cpp measures both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "flex/flex_format.h"
#include "onward/codec.h"

namespace onward::flex {

// One value, once. FlexBuffers grow from the leaves up, so finished values wait on a stack of slots
// until their container ends; the stack lies in the object, and in pooled memory when it is long.
class FlexEncoder final : public Encoder {
 public:
  // With at most so many segments; what would be more goes into the body.
  explicit FlexEncoder(std::size_t max_segments = kMaxSegments) noexcept  // leaves the arrays uninitialised
      : max_segments_(max_segments) {}

  void null() override;
  void boolean(bool value) override;
  void integer(std::int64_t value) override;
  void unsigned_integer(std::uint64_t value) override;
  void real(double value) override;
  void real32(float value) override;
  void string(std::string_view value) override;
  void bytes(std::span<const std::byte> value) override;
  void bytes(const Buffer& value) override;
  void begin_sequence(std::size_t count) override;
  void end_sequence() override;
  void begin_map(std::size_t count) override;
  void key(std::string_view key) override;
  void end_map() override;
  void numbers(NumberType type, const void* data, std::size_t count) override;
  void tensor(const TensorValue& value) override;
  void table(std::string_view type_name, const Buffer& value) override;
  void begin_tagged(std::string_view type_name) override;
  void end_tagged() override;

  // Ends the message. `out` is changed on success only.
  [[nodiscard]] Status finish(Payload& out);

 private:
  // A finished value that waits for its container.
  struct Slot {
    std::uint64_t bits;  // inline: the value, a real as a double; else where it lies in the body
    Type type;
    std::uint8_t width;  // log2: that of the value, or of the elements or the length
  };
  enum class Form : std::uint8_t { kSequence, kMap, kTagged };
  struct Frame {
    std::size_t first_slot;
    std::size_t announced;
    Form form;
    bool blocks;  // after a value, no other may come
  };
  struct KeyPlace {
    std::uint32_t after;  // one more than where the key lies; 0: none
    std::uint32_t bytes;
  };
  struct KeyVectorPlace {
    std::uint32_t position;  // 0: none
    std::uint32_t count;
    std::uint8_t width;
  };
  static constexpr unsigned kSharePlacesLog = 5;
  static constexpr std::size_t kSharePlaces = 1U << kSharePlacesLog;
  static constexpr std::size_t kSharedVectors = 8;

  // Room for `bytes` more behind zeros that align it to 1 << width.
  std::byte* grow_aligned(std::uint8_t width, std::size_t bytes) {
    const std::size_t pad = (0 - body_.size()) & ((std::size_t{1} << width) - 1);
    std::byte* at = body_.grow(pad + bytes);
    if (pad == 0) return at;
    std::memset(at, 0, pad);
    return at + pad;
  }
  // Whether a value may come now; fails where it may not.
  bool ready() {
    if (status_.ok() && !blocked_) [[likely]]
      return true;
    refuse();
    return false;
  }
  [[gnu::cold]] void refuse();
  // The same for a value of so many levels.
  bool enter(std::size_t levels) {
    if (!ready()) return false;
    if (depth_ + levels <= kMaxValueDepth) [[likely]]
      return true;
    fail_depth();
    return false;
  }
  [[gnu::cold]] void fail_depth();
  void begin(std::size_t count, Form form);
  bool end(Form form, std::size_t values);
  // After a value: the next may come in a sequence only.
  void value_done() { blocked_ = depth_ == 0 || frames_[depth_ - 1].blocks; }

  void push(Type type, std::uint64_t bits, std::uint8_t width) {
    if (slot_count_ == slot_capacity_) more_slots();
    slots_[slot_count_++] = Slot{bits, type, width};
  }
  void more_slots();
  void scalar(Type type, std::uint64_t bits, std::uint8_t width) {
    if (!ready()) return;
    push(type, bits, width);
    value_done();
  }

  // Each appends to the body and pushes one slot.
  void write_blob(Type type, const void* data, std::size_t bytes);
  void write_bytes(const Buffer& value);
  void write_numbers(Type type, std::uint8_t width, const void* data, std::size_t count);
  // Replaces the slots from `first` on.
  void write_vector(std::size_t first, Type type);
  void write_map(std::size_t first);
  // Pushes the key that names an extended value.
  void write_name(Extended extended) { push(Type::kKey, place_key(name_of(extended)), 0); }

  // Where `key` lies in the body, written now or before.
  std::uint64_t place_key(std::string_view key);
  bool sort_map(std::size_t first);
  Slot place_key_vector(std::size_t first);
  [[nodiscard]] bool same_keys(std::size_t first, const KeyVectorPlace& place);
  Slot lay_out(std::size_t first, std::size_t step, Type type, const Slot* keys);
  template <class Word>
  void fill(std::byte* at, std::size_t first, std::size_t step, const Slot* keys);
  [[nodiscard]] std::uint8_t offset_width(std::uint64_t position, std::size_t word) const;
  [[nodiscard]] const char* text_at(std::uint64_t position) {
    return reinterpret_cast<const char*>(body_.data()) + position;
  }

  static constexpr std::size_t kInlineSlots = 64;
  std::array<Slot, kInlineSlots> inline_slots_;
  std::array<Frame, kMaxValueDepth> frames_;
  std::array<KeyPlace, kSharePlaces> keys_;
  std::array<KeyVectorPlace, kSharedVectors> key_vectors_;

  BufferWriter body_;
  Slot* slots_ = inline_slots_.data();
  std::size_t slot_count_ = 0;
  std::size_t slot_capacity_ = kInlineSlots;
  std::size_t depth_ = 0;
  bool blocked_ = false;  // no value may come: a key must, or the root or what is tagged is there
  bool sharing_ = false;  // the two tables below hold something
  Buffer slot_memory_;
  std::size_t max_segments_;
  std::vector<Buffer> segments_;
};

}  // namespace onward::flex
