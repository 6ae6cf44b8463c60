// SPDX-License-Identifier: Apache-2.0
//
// The part of FlexEncoder that lays out bytes: blobs, vectors, maps and their keys.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "flex/flex_encoder.h"

namespace onward::flex {

namespace {

std::size_t padding(std::size_t position, std::size_t alignment) { return (0 - position) & (alignment - 1); }

}  // namespace

void FlexEncoder::write_blob(Type type, const void* data, std::size_t bytes) {
  const std::uint8_t width = width_of(bytes);
  const std::size_t word = std::size_t{1} << width;
  const std::size_t trailing = type == Type::kString ? 1 : 0;
  std::byte* at = grow_aligned(width, word + bytes + trailing);
  store(at, bytes, width);
  if (bytes > 0) std::memcpy(at + word, data, bytes);
  if (trailing > 0) at[word + bytes] = std::byte{0};
  push(type, body_.size() - bytes - trailing, width);
}

void FlexEncoder::write_bytes(const Buffer& value) {
  if (value.size() < kSegmentThresholdBytes || segments_.size() == max_segments_) {
    return write_blob(Type::kBlob, value.data(), value.size());
  }
  const std::size_t first = slot_count_;
  write_name(Extended::kSegment);
  push(Type::kUint, segments_.size(), width_of(segments_.size()));
  push(Type::kUint, value.size(), width_of(value.size()));
  segments_.push_back(value);
  write_vector(first, Type::kVector);
}

void FlexEncoder::write_numbers(Type type, std::uint8_t width, const void* data, std::size_t count) {
  const std::size_t bytes = count << width;
  const std::size_t word = std::size_t{1} << width;
  std::byte* at = grow_aligned(width, word + bytes);
  store(at, count, width);
  if (count > 0) std::memcpy(at + word, data, bytes);
  push(type, body_.size() - bytes, width);
}

void FlexEncoder::write_vector(std::size_t first, Type type) {
  const Slot vector = lay_out(first, 1, type, nullptr);
  slot_count_ = first;
  push(vector.type, vector.bits, vector.width);
}

void FlexEncoder::write_map(std::size_t first) {
  if (!sort_map(first)) return;
  const Slot keys = place_key_vector(first);
  const Slot map = lay_out(first + 1, 2, Type::kMap, &keys);
  slot_count_ = first;
  push(map.type, map.bits, map.width);
}

std::uint64_t FlexEncoder::place_key(std::string_view key) {
  if (!sharing_) {
    keys_.fill({});
    key_vectors_.fill({});
    sharing_ = true;
  }
  const auto letter = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(key[i])); };
  auto hash = static_cast<std::uint32_t>(key.size());
  if (!key.empty()) hash ^= letter(0) << 8U ^ letter(key.size() / 2) << 16U ^ letter(key.size() - 1) << 24U;
  KeyPlace& place = keys_[hash * 0x9E37'79B1U >> (32U - kSharePlacesLog)];
  const std::size_t position = body_.size();
  if (place.after != 0 && place.bytes == key.size() && position - place.after < kMaxShareDistance &&
      std::memcmp(body_.data() + place.after - 1, key.data(), key.size()) == 0) {
    return place.after - 1;
  }
  if (key.find('\0') != std::string_view::npos) {
    fail(Status(StatusCode::kInvalidArgument, "a key holds a NUL, which FlexBuffers cannot carry"));
    key = {};
  }
  std::byte* at = body_.grow(key.size() + 1);
  if (!key.empty()) std::memcpy(at, key.data(), key.size());
  at[key.size()] = std::byte{0};
  if (key.size() <= kMaxSharedKeyBytes && position < 0xFFFF'FFFF) {
    place = {static_cast<std::uint32_t>(position + 1), static_cast<std::uint32_t>(key.size())};
  }
  return position;
}

bool FlexEncoder::sort_map(std::size_t first) {
  struct Entry {
    Slot key;
    Slot value;
  };
  static_assert(sizeof(Entry) == 2 * sizeof(Slot));
  if (slot_count_ == first) return true;
  if (sharing_ && same_keys(first, key_vectors_[slots_[first].bits % kSharedVectors])) return true;
  auto* begin = reinterpret_cast<Entry*>(slots_ + first);
  auto* end = reinterpret_cast<Entry*>(slots_ + slot_count_);
  const auto compare = [this](const Entry& a, const Entry& b) {
    return a.key.bits == b.key.bits ? 0 : std::strcmp(text_at(a.key.bits), text_at(b.key.bits));
  };
  const auto not_rising = [&](const Entry& a, const Entry& b) { return compare(a, b) >= 0; };
  if (std::adjacent_find(begin, end, not_rising) == end) return true;
  std::sort(begin, end, [&](const Entry& a, const Entry& b) { return compare(a, b) < 0; });
  const auto* twice = std::adjacent_find(begin, end, not_rising);
  if (twice == end) return true;
  fail(Status(StatusCode::kInvalidArgument,
              "a map has the key \"" + std::string(text_at(twice->key.bits)) + "\" twice"));
  return false;
}

// Whether the vector at `place` holds the keys of the map at `first`, in this order.
bool FlexEncoder::same_keys(std::size_t first, const KeyVectorPlace& place) {
  const std::size_t count = (slot_count_ - first) / 2;
  if (place.position == 0 || place.count != count) return false;
  if (body_.size() - place.position >= kMaxShareDistance) return false;
  const std::size_t word = std::size_t{1} << place.width;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = place.position + i * word;
    const std::uint64_t offset = read_unsigned(body_.data() + at, static_cast<std::uint8_t>(word));
    if (at - offset != slots_[first + 2 * i].bits) return false;
  }
  return true;
}

FlexEncoder::Slot FlexEncoder::place_key_vector(std::size_t first) {
  if (slot_count_ == first) return lay_out(first, 2, Type::kVectorKey, nullptr);
  KeyVectorPlace& place = key_vectors_[slots_[first].bits % kSharedVectors];
  if (same_keys(first, place)) return Slot{place.position, Type::kVectorKey, place.width};
  const Slot keys = lay_out(first, 2, Type::kVectorKey, nullptr);
  if (keys.bits <= 0xFFFF'FFFF) {
    place = {static_cast<std::uint32_t>(keys.bits), static_cast<std::uint32_t>((slot_count_ - first) / 2), keys.width};
  }
  return keys;
}

// The smallest width in which a vector that starts here can hold the distance from its n-th word, the
// length counted, back to `position`.
std::uint8_t FlexEncoder::offset_width(std::uint64_t position, std::size_t word) const {
  const std::size_t size = body_.size();
  if (size + word - position < 1U << 8) return 0;
  if (size + padding(size, 2) + 2 * word - position < 1U << 16) return 1;
  return size + padding(size, 4) + 4 * word - position < std::uint64_t{1} << 32 ? 2 : 3;
}

// Appends a vector of the slots first, first + step, … and gives its own slot.
FlexEncoder::Slot FlexEncoder::lay_out(std::size_t first, std::size_t step, Type type, const Slot* keys) {
  const std::size_t count = (slot_count_ - first + step - 1) / step;
  const std::size_t prefix = keys != nullptr ? 3 : 1;
  std::uint8_t width = width_of(count);
  if (keys != nullptr) width = std::max(width, offset_width(keys->bits, 0));
  for (std::size_t i = first; i < slot_count_; i += step) {
    const Slot& slot = slots_[i];
    width = std::max(width, is_inline(slot.type) ? slot.width : offset_width(slot.bits, i - first + prefix));
  }
  const std::size_t word = std::size_t{1} << width;
  const bool typed = type == Type::kVectorKey || type == Type::kVectorUint;
  const std::size_t words = (prefix + count) * word;
  std::byte* at = grow_aligned(width, words + (typed ? 0 : count));
  if (width == 0) fill<std::uint8_t>(at, first, step, keys);
  if (width == 1) fill<std::uint16_t>(at, first, step, keys);
  if (width == 2) fill<std::uint32_t>(at, first, step, keys);
  if (width == 3) fill<std::uint64_t>(at, first, step, keys);
  if (!typed) {
    std::byte* types = at + words;
    for (std::size_t i = first; i < slot_count_; i += step) {
      const Slot& slot = slots_[i];
      const unsigned stored = is_inline(slot.type) ? std::max(slot.width, width) : slot.width;
      *types++ = static_cast<std::byte>(static_cast<unsigned>(slot.type) << 2U | stored);
    }
  }
  const auto position = static_cast<std::uint64_t>(at - body_.data()) + prefix * word;
  return Slot{position, type, width};
}

template <class Word>
void FlexEncoder::fill(std::byte* at, std::size_t first, std::size_t step, const Slot* keys) {
  auto position = static_cast<std::uint64_t>(at - body_.data());
  const auto put = [&](std::uint64_t bits) {
    const auto word = static_cast<Word>(bits);
    std::memcpy(at, &word, sizeof word);
    at += sizeof word;
    position += sizeof word;
  };
  if (keys != nullptr) {
    put(position - keys->bits);
    put(std::uint64_t{1} << keys->width);
  }
  put((slot_count_ - first + step - 1) / step);
  for (std::size_t i = first; i < slot_count_; i += step) {
    const Slot& slot = slots_[i];
    if (!is_inline(slot.type)) {
      put(position - slot.bits);
    } else if (std::is_same_v<Word, std::uint32_t> && slot.type == Type::kFloat) {
      put(std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(slot.bits))));
    } else {
      put(slot.bits);
    }
  }
}

}  // namespace onward::flex
