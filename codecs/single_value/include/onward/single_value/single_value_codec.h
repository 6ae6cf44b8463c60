// SPDX-License-Identifier: Apache-2.0
//
// For codecs whose format has no structure of its own: the message is one opaque value of one kind,
// byte for byte. An argument list is that value or is empty; a result is that value or null. Everything
// else is INVALID_ARGUMENT, which names the codec and what it can carry.
//
// The value is the body, or the only segment, with an empty body, where it is a Buffer of at least
// kSegmentThresholdBytes or where it is empty: so an empty value differs from none, which is an empty
// body without a segment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "onward/codec.h"

namespace onward {

class SingleValueEncoder final : public Encoder {
 public:
  // `carried` is kBytes or kTable.
  SingleValueEncoder(std::string_view codec, ValueKind carried) : codec_(codec), carried_(carried) {}

  void null() override {
    if (in_sequence_) return refuse(ValueKind::kNull);
    wrote();
  }
  void boolean(bool) override { refuse(ValueKind::kBoolean); }
  void integer(std::int64_t) override { refuse(ValueKind::kInteger); }
  void unsigned_integer(std::uint64_t) override { refuse(ValueKind::kInteger); }
  void real(double) override { refuse(ValueKind::kReal); }
  void real32(float) override { refuse(ValueKind::kReal); }
  void string(std::string_view) override { refuse(ValueKind::kString); }
  void bytes(std::span<const std::byte> value) override { put(ValueKind::kBytes, value, nullptr); }
  void bytes(const Buffer& value) override { put(ValueKind::kBytes, value.bytes(), &value); }
  void begin_sequence(std::size_t count) override {
    if (in_sequence_ || written_ > 0 || count > 1) return refuse(ValueKind::kSequence);
    in_sequence_ = true;
    if (count == 0) wrote();
  }
  void end_sequence() override { in_sequence_ = false; }
  void begin_map(std::size_t) override { refuse(ValueKind::kMap); }
  void key(std::string_view) override { refuse(ValueKind::kMap); }
  void end_map() override { refuse(ValueKind::kMap); }
  void numbers(NumberType, const void*, std::size_t) override { refuse(ValueKind::kNumbers); }
  void tensor(const TensorValue&) override { refuse(ValueKind::kTensor); }
  void table(std::string_view, const Buffer& value) override { put(ValueKind::kTable, value.bytes(), &value); }

  // `out` is changed on success only.
  [[nodiscard]] Status finish(Payload& out) {
    if (written_ != 1) fail(Status(StatusCode::kInternal, "an encoder was misused: one value must be written"));
    if (status_.ok()) out = std::move(payload_);
    return status_;
  }

 private:
  void refuse(ValueKind kind) {
    fail(Status(StatusCode::kInvalidArgument,
                "codec " + std::string(codec_) + " carries one value, " + std::string(to_string(carried_)) +
                    ", or none, and nothing else; this has " + std::string(to_string(kind)) + ": use codec flex"));
  }
  void wrote() {
    if (++written_ > 1) refuse(ValueKind::kSequence);
  }
  void put(ValueKind kind, std::span<const std::byte> value, const Buffer* shared) {
    if (kind != carried_) return refuse(kind);
    wrote();
    if (!status_.ok()) return;
    if (value.empty()) {
      payload_.segments.emplace_back();
    } else if (shared != nullptr && value.size() >= kSegmentThresholdBytes) {
      payload_.segments.push_back(*shared);
    } else {
      payload_.body = Buffer::copy_of(value);
    }
  }

  std::string_view codec_;
  ValueKind carried_;
  bool in_sequence_ = false;
  std::size_t written_ = 0;
  Payload payload_;
};

class SingleValueDecoder final : public Decoder {
 public:
  SingleValueDecoder(InboundMessage& message, std::string_view codec, ValueKind carried)
      : message_(message),
        codec_(codec),
        carried_(carried),
        left_(message.body.empty() && message.segments.empty() ? 0 : 1) {
    if (message.segments.size() > (message.body.empty() ? 1U : 0U)) {
      fail(Status(StatusCode::kInvalidArgument, "malformed message of codec " + std::string(codec) +
                                                    ": its value is either the body or one segment"));
    }
  }

  [[nodiscard]] ValueKind peek() override { return status_.ok() && left_ > 0 ? carried_ : ValueKind::kNull; }
  void null() override {
    if (left_ > 0 || in_sequence_) mismatch(ValueKind::kNull);
    read_ = true;
  }
  bool boolean() override { return mismatch(ValueKind::kBoolean), false; }
  std::int64_t integer() override { return mismatch(ValueKind::kInteger), 0; }
  std::uint64_t unsigned_integer() override { return mismatch(ValueKind::kUnsigned), 0; }
  double real() override { return mismatch(ValueKind::kReal), 0; }
  std::string_view string() override { return mismatch(ValueKind::kString), std::string_view(); }
  std::span<const std::byte> bytes_view() override {
    if (!take(ValueKind::kBytes)) return {};
    return message_.segments.empty() ? message_.body : message_.segments.front().bytes();
  }
  Buffer bytes() override { return take(ValueKind::kBytes) ? buffer() : Buffer(); }
  std::size_t begin_sequence() override {
    if (in_sequence_ || read_) mismatch(ValueKind::kSequence);
    in_sequence_ = read_ = true;
    return status_.ok() ? left_ : 0;
  }
  void end_sequence() override { in_sequence_ = false; }
  std::size_t begin_map() override { return mismatch(ValueKind::kMap), 0; }
  std::string_view key() override { return mismatch(ValueKind::kMap), std::string_view(); }
  void end_map() override { mismatch(ValueKind::kMap); }
  std::size_t begin_numbers() override { return mismatch(ValueKind::kNumbers), 0; }
  [[nodiscard]] NumberType number_type() override { return NumberType::kFloat64; }
  void numbers(NumberType, void*, std::size_t) override { mismatch(ValueKind::kNumbers); }
  TensorValue tensor() override { return mismatch(ValueKind::kTensor), TensorValue(); }
  Buffer table(std::string_view) override { return take(ValueKind::kTable) ? buffer() : Buffer(); }
  [[nodiscard]] std::string_view table_name() override { return {}; }
  void skip() override {
    left_ = 0;
    read_ = true;
  }

  [[nodiscard]] Status finish() {
    if (!read_) fail(Status(StatusCode::kInternal, "a decoder was misused: one value must be read"));
    if (left_ > 0)
      fail(Status(StatusCode::kInvalidArgument, "found " + std::string(to_string(carried_)) + ", expected nothing"));
    return status_;
  }

 private:
  void mismatch(ValueKind expected) {
    fail(Status(StatusCode::kInvalidArgument, "expected " + std::string(to_string(expected)) + ", found " +
                                                  std::string(left_ > 0 ? to_string(carried_) : "nothing") +
                                                  ": codec " + std::string(codec_) + " carries one value, " +
                                                  std::string(to_string(carried_)) + ", or none"));
  }
  bool take(ValueKind kind) {
    if (kind != carried_ || left_ == 0) mismatch(kind);
    if (!status_.ok()) return false;
    left_ = 0;
    read_ = true;
    return true;
  }
  Buffer buffer() {
    if (!message_.segments.empty()) return std::move(message_.segments.front());
    return message_.storage != nullptr ? message_.retain(message_.body) : Buffer::copy_of(message_.body);
  }

  InboundMessage& message_;
  std::string_view codec_;
  ValueKind carried_;
  std::size_t left_;
  bool in_sequence_ = false;
  bool read_ = false;
};

}  // namespace onward
