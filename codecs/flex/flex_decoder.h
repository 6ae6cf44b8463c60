// SPDX-License-Identifier: Apache-2.0
//
// Reads one FlexBuffers message, verifying each byte when it is reached. Not flexbuffers::Reference behind
// flexbuffers::Verifier: the verifier is a second pass over everything, read or not, and lets a key run
// beyond the end; the reference gives zeros for wrong types, and finds each member of a map by binary
// search. bench/flex_bench.cpp measures both.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "flex/flex_format.h"
#include "onward/codec.h"

namespace onward::flex {

// One message, once. The body must stay in place and unchanged meanwhile.
class FlexDecoder final : public Decoder {
 public:
  explicit FlexDecoder(InboundMessage& message);

  [[nodiscard]] ValueKind peek() override;
  void null() override;
  bool boolean() override;
  std::int64_t integer() override;
  std::uint64_t unsigned_integer() override;
  double real() override;
  std::string_view string() override;
  std::span<const std::byte> bytes_view() override;
  Buffer bytes() override;
  std::size_t begin_sequence() override;
  void end_sequence() override;
  std::size_t begin_map() override;
  std::string_view key() override;
  void end_map() override;
  std::size_t begin_numbers() override;
  [[nodiscard]] NumberType number_type() override;
  void numbers(NumberType type, void* out, std::size_t count) override;
  TensorValue tensor() override;
  Buffer table(std::string_view type_name) override;
  [[nodiscard]] std::string_view table_name() override;
  [[nodiscard]] std::string_view tag() override;
  void skip() override;
  [[nodiscard]] std::string where() const override;

  // After the last value: checks that it was the last, and that each segment has been referred to.
  [[nodiscard]] Status finish();

 private:
  // A value's word in its parent, with what its type byte says. The word itself is in bounds.
  struct Reference {
    const std::byte* word;
    std::uint8_t word_bytes;
    std::uint8_t width;  // bytes
    Type type;
  };
  // A vector whose words and type bytes are in bounds.
  struct Vector {
    const std::byte* words;
    const std::byte* types;  // null: all elements are of element_type
    const std::byte* keys;   // null: not a map
    std::size_t count;
    std::uint8_t width;  // bytes, as the next
    std::uint8_t key_width;
    Type element_type;
  };
  struct Frame {
    Vector vector;
    std::size_t next;
  };
  // A tag around a container, below whose frame this lies. As it is beyond its own end, whatever comes behind
  // that container takes a slow path, which removes it.
  static constexpr Frame kTagFrame{.vector = {}, .next = 1};

  // The value that comes next; its word is null after an error, or at the end of its container.
  [[nodiscard]] Reference peek_next() {
    const Frame& frame = *top_;
    if (status_.ok() && frame.next < frame.vector.count) [[likely]]
      return element(frame.vector, frame.next);
    return peek_behind_tags();
  }
  [[gnu::cold]] Reference peek_behind_tags();
  [[nodiscard]] Reference take_next() {
    const Reference found = peek_next();
    if (found.word != nullptr) [[likely]]
      ++top_->next;
    return found;
  }
  [[nodiscard]] static Reference element(const Vector& vector, std::size_t index) {
    Reference found{.word = vector.words + index * vector.width,
                    .word_bytes = vector.width,
                    .width = 1,
                    .type = vector.element_type};
    if (vector.types != nullptr) {
      const auto packed = std::to_integer<std::uint8_t>(vector.types[index]);
      found.width = static_cast<std::uint8_t>(1U << (packed & 3U));
      found.type = static_cast<Type>(packed >> 2U);
    }
    return found;
  }
  // Where an offset leads, null after an error.
  [[nodiscard]] const std::byte* target(Reference reference) {
    const std::uint64_t offset = read_unsigned(reference.word, reference.word_bytes);
    if (offset <= static_cast<std::uint64_t>(reference.word - begin_)) [[likely]]
      return reference.word - offset;
    fail_malformed("an offset leads out of it");
    return nullptr;
  }
  // Resolves any kind of vector or map; false and an error if it does not lie within the body.
  bool resolve(Reference reference, Vector& out);
  bool resolve_words(Reference reference, std::size_t bytes_per_element, Vector& out) {
    const std::byte* words = target(reference);
    if (words == nullptr) return false;
    const std::uint8_t width = reference.width;
    if (words - begin_ >= width) [[likely]] {
      const std::uint64_t count = read_unsigned(words - width, width);
      const auto room = static_cast<std::uint64_t>(end_ - words);
      if (count <= room && count * bytes_per_element <= room) [[likely]] {
        out.words = words;
        out.types = words + count * width;
        out.keys = nullptr;
        out.count = static_cast<std::size_t>(count);
        out.width = width;
        out.element_type = Type::kNull;
        return true;
      }
    }
    fail_malformed("a vector does not fit");
    return false;
  }
  bool resolve_fixed(Reference reference, Vector& out);
  bool resolve_keys(Vector& vector);
  // Whether a resolved untyped vector starts with a key, as extended values do.
  [[nodiscard]] static bool starts_with_key(const Vector& vector) {
    return vector.count > 0 && std::to_integer<unsigned>(vector.types[0]) >> 2U == static_cast<unsigned>(Type::kKey);
  }
  // What an untyped vector, which it resolves, is by its first element; kNone for anything else.
  Extended extended(Reference reference, Vector& out);
  // What is tagged without its tags, anything else as it is, null after an error.
  [[nodiscard]] Reference untagged(Reference reference) {
    std::size_t tags = 0;
    return reference.type == Type::kVector ? see_through(reference, tags) : reference;
  }
  [[gnu::cold]] Reference see_through(Reference reference, std::size_t& tags);
  // The type name of a resolved tagged value; false and an error if it is no such value.
  bool tag_of(const Vector& vector, std::string_view& out);
  // The same as untagged(), with a frame for each tag.
  [[gnu::cold]] Reference enter_tags(Reference reference);
  void leave_tags() {
    while (top_->next > top_->vector.count) --top_;
  }
  std::size_t begin_other_sequence(Reference reference);
  [[gnu::cold]] std::string_view key_behind_tags();
  ValueKind kind_of(Reference reference);
  bool sequence_of(Reference reference, Vector& out);
  // Packed numbers in any form, or a sequence, as a vector; `type` is meaningless for the latter.
  bool resolve_numbers(Reference reference, Vector& out, NumberType& type);

  bool boolean_of(Reference reference, bool& out);
  bool signed_of(Reference reference, std::int64_t& out);
  bool unsigned_of(Reference reference, std::uint64_t& out);
  bool real_of(Reference reference, double& out);
  // The word of a number: the value's own, or the one that it or its tags refer to.
  bool number_word(Reference reference, Reference& out) {
    out = reference;
    return reference.type < Type::kIndirectInt || other_number_word(reference, out);
  }
  bool other_number_word(Reference reference, Reference& out);
  bool blob_of(Reference reference, std::span<const std::byte>& out);
  // The content of a blob or string.
  bool content_of(Reference reference, std::span<const std::byte>& out) {
    const std::byte* data = target(reference);
    if (data == nullptr) return false;
    if (data - begin_ >= reference.width) [[likely]] {
      const std::uint64_t bytes = read_unsigned(data - reference.width, reference.width);
      if (holds(data, bytes)) [[likely]] {
        out = {data, static_cast<std::size_t>(bytes)};
        return true;
      }
    }
    fail_malformed("a string or bytes do not fit");
    return false;
  }
  bool text_of(Reference reference, std::string_view& out);
  std::string_view key_at(const std::byte* word, std::uint8_t word_bytes);
  // Bytes in the body or in a segment; the latter is counted as referred to.
  bool bytes_of(Reference reference, std::span<const std::byte>* view, Buffer* buffer);
  bool segment_of(const Vector& vector, std::size_t& index);
  void skip_segments(Reference reference, std::size_t depth);
  bool copy_numbers(NumberType type, void* out);
  template <class T>
  void convert_numbers(void* out);

  // Counts work that a message's bytes do not bound once they are referred to twice.
  bool charge(std::size_t work) {
    if (work <= work_left_) [[likely]] {
      work_left_ -= work;
      return true;
    }
    fail_malformed("it refers to the same bytes too often");
    return false;
  }
  // The frame for a container that begins, null if it would be too deep.
  Frame* room() {
    if (top_ < &frames_.back()) [[likely]]
      return top_ + 1;
    fail_malformed("values nest deeper than 64 levels");
    return nullptr;
  }
  // Enters the container that has been resolved into room(), and gives its count.
  std::size_t open(Frame& frame) {
    if (!charge(kElementWork * frame.vector.count)) return 0;
    frame.next = 0;
    top_ = &frame;
    return frame.vector.count;
  }
  void close() {
    if (status_.ok() && top_ != frames_.data() && top_->next == top_->vector.count) [[likely]] {
      --top_;
    } else {
      close_behind_tags();
    }
  }
  [[gnu::cold]] void close_behind_tags();
  [[gnu::cold]] void fail_exhausted();
  [[gnu::cold]] void fail_left();
  [[gnu::cold]] void fail_malformed(const char* what);
  [[gnu::cold]] void fail_malformed(const std::string& what);
  [[gnu::cold]] void fail_value(std::string value, std::string_view type);
  [[gnu::cold]] void fail_mismatch(ValueKind expected, Reference found);

  [[nodiscard]] bool holds(const std::byte* at, std::uint64_t bytes) const {
    return bytes <= static_cast<std::uint64_t>(end_ - at);
  }

  // What element counts and text lengths add to the work, and what a message may cause.
  static constexpr std::size_t kElementWork = 8;
  static constexpr std::size_t kKeyBytesPerWork = 4;
  static constexpr std::size_t kWorkPerByte = 16;
  static constexpr std::size_t kFreeWork = 4096;

  std::array<Frame, kMaxValueDepth + 1> frames_;  // the first is a vector of the root alone
  InboundMessage& message_;
  const std::byte* begin_;
  const std::byte* end_;
  Frame* top_ = frames_.data();
  std::size_t work_left_;
  NumberType pending_type_{};
  Vector pending_{};  // between begin_numbers() and numbers()
  std::bitset<256> segments_used_;
};

}  // namespace onward::flex
