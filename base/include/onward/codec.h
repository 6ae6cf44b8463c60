// SPDX-License-Identifier: Apache-2.0
//
// Typed values to bytes and back. A codec does not know C++ types and a type does not know codecs:
// both meet in a small data model, so that N types and M codecs need N + M pieces of code, and a codec
// can be loaded at run time. value.h maps C++ types to the model.
//
// The model: null, boolean, integer, real, string, bytes, sequence, map with string keys, packed
// numbers, tensor, table (a finished FlatBuffers table). A value may carry a tag, the name of the type that
// it has where it comes from: for readers who know that name. For all others it is as if it had none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "onward/buffer.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/status.h"

namespace onward {

// A callable borrowed for the duration of a call.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& function) noexcept  // NOLINT(google-explicit-constructor): a parameter type
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// Element types of packed numbers and tensors. Values are part of the wire.
enum class NumberType : std::uint8_t {
  kBool = 0,
  kInt8 = 1,
  kInt16 = 2,
  kInt32 = 3,
  kInt64 = 4,
  kUint8 = 5,
  kUint16 = 6,
  kUint32 = 7,
  kUint64 = 8,
  kFloat16 = 9,
  kBfloat16 = 10,
  kFloat32 = 11,
  kFloat64 = 12,
};
inline constexpr std::uint8_t kNumberTypes = 13;
[[nodiscard]] ONWARD_API std::size_t size_of(NumberType type) noexcept;         // bytes an element
[[nodiscard]] ONWARD_API std::string_view to_string(NumberType type) noexcept;  // "float32"

enum class ValueKind : std::uint8_t {
  kNull,
  kBoolean,
  kInteger,
  kUnsigned,
  kReal,
  kString,
  kBytes,
  kSequence,
  kMap,
  kNumbers,
  kTensor,
  kTable
};
[[nodiscard]] ONWARD_API std::string_view to_string(ValueKind kind) noexcept;  // "an integer", for messages

// A dense array in row-major order. `data` holds exactly the product of `shape` elements.
struct TensorValue {
  NumberType type = NumberType::kFloat32;
  std::vector<std::uint64_t> shape;
  Buffer data;
};
inline constexpr std::size_t kMaxTensorRank = 32;
// OK if the shape's product, which must not overflow, is what `value.data` holds.
[[nodiscard]] ONWARD_API Status check_tensor(const TensorValue& value);

// Bytes at least this large, given as a Buffer, travel as a segment beside the body.
inline constexpr std::size_t kSegmentThresholdBytes = 4096;
// Deepest nesting that a codec encodes or decodes.
inline constexpr std::size_t kMaxValueDepth = 64;

// Writes one value; a codec's encode() lends it to its caller. Containers nest. Errors stick: after
// fail(), or after a value that the codec cannot carry, the rest is ignored and encode() returns the
// first error.
class ONWARD_API Encoder {
 public:
  virtual void null() = 0;
  virtual void boolean(bool value) = 0;
  virtual void integer(std::int64_t value) = 0;
  virtual void unsigned_integer(std::uint64_t value) = 0;
  virtual void real(double value) = 0;
  virtual void real32(float value) = 0;
  virtual void string(std::string_view value) = 0;
  // Copied into the body.
  virtual void bytes(std::span<const std::byte> value) = 0;
  // Shared: as a segment from kSegmentThresholdBytes on, else copied into the body.
  virtual void bytes(const Buffer& value) = 0;
  virtual void begin_sequence(std::size_t count) = 0;
  virtual void end_sequence() = 0;
  // Each value follows its key. Keys are unique and hold no NUL (INVALID_ARGUMENT otherwise); any order.
  virtual void begin_map(std::size_t count) = 0;
  virtual void key(std::string_view key) = 0;
  virtual void end_map() = 0;
  // `count` elements of `type` at `data` (native byte order, any alignment), copied.
  virtual void numbers(NumberType type, const void* data, std::size_t count) = 0;
  virtual void tensor(const TensorValue& value) = 0;
  // A finished FlatBuffers table of the named type.
  virtual void table(std::string_view type_name, const Buffer& value) = 0;
  // The tag of the one value between the two: "tuple", "shop.Order". Counts as a level, and its name as
  // another one. A codec that does not carry tags writes the value alone.
  virtual void begin_tagged(std::string_view type_name) { static_cast<void>(type_name); }
  virtual void end_tagged() {}

  // The first error stays.
  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 protected:
  ~Encoder() = default;
  Status status_;
};

// Reads one value, pulled by the type that expects it. Every byte is verified before it is used.
// Errors stick: after the first, each call returns an empty value and decode() returns the error,
// INVALID_ARGUMENT, which says what was found where and what was expected.
class ONWARD_API Decoder {
 public:
  // What the next value is. kNull after an error.
  [[nodiscard]] virtual ValueKind peek() = 0;
  virtual void null() = 0;
  virtual bool boolean() = 0;
  // Any integer on the wire that fits; OUT of range is an error.
  virtual std::int64_t integer() = 0;
  virtual std::uint64_t unsigned_integer() = 0;
  // Any real or integer.
  virtual double real() = 0;
  // Views live as long as the message that is decoded.
  virtual std::string_view string() = 0;
  virtual std::span<const std::byte> bytes_view() = 0;
  // Shares the message's memory without a copy.
  virtual Buffer bytes() = 0;
  // The number of values that follow; each is then read in turn. The count is bounded by what the
  // message can hold, but is not a size to reserve blindly. Packed numbers read as a sequence too.
  virtual std::size_t begin_sequence() = 0;
  virtual void end_sequence() = 0;
  virtual std::size_t begin_map() = 0;
  virtual std::string_view key() = 0;
  virtual void end_map() = 0;
  // Packed numbers: `count` first, then exactly that many into `out`, converted from what is on the wire
  // where every value fits. A sequence of numbers reads this way too.
  virtual std::size_t begin_numbers() = 0;
  // How the packed numbers that come next lie on the wire; kFloat64 for anything else.
  [[nodiscard]] virtual NumberType number_type() = 0;
  virtual void numbers(NumberType type, void* out, std::size_t count) = 0;
  virtual TensorValue tensor() = 0;
  // A table of `type_name` (empty: of any type) as the codec `flatbuffers` or `flex` carries it. Not yet
  // verified as a table.
  virtual Buffer table(std::string_view type_name) = 0;
  // The type name of the table that comes next; empty if the codec does not carry it, or for anything else.
  [[nodiscard]] virtual std::string_view table_name() = 0;
  // The tag of the value that comes next, the outermost if it has several; empty if it has none, or if the codec
  // does not carry tags. Everything else reads what is tagged as if it was not.
  [[nodiscard]] virtual std::string_view tag() { return {}; }
  // Passes over one value of any kind.
  virtual void skip() = 0;
  // Where the value lies that was read last, for messages: "[1].line" is member `line` of the second
  // value of the sequence. Empty at the root, or if the codec does not know.
  [[nodiscard]] virtual std::string where() const { return {}; }

  void fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  // INVALID_ARGUMENT with where() in front: "at [1].line: -1 does not fit uint8".
  void fail_at(std::string what);
  [[nodiscard]] bool ok() const noexcept { return status_.ok(); }
  [[nodiscard]] const Status& status() const noexcept { return status_; }

 protected:
  ~Decoder() = default;
  Status status_;
};

// Stateless, thread-safe. The id travels in every message, so peers may mix codecs.
class ONWARD_API Codec {
 public:
  virtual ~Codec() = default;
  // 1 flex, 2 flatbuffers, 3 raw; 64 to 255 for others. Never reused for another format.
  [[nodiscard]] virtual std::uint8_t id() const = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;

  // Lends an Encoder to `write`, which writes exactly one value: for a call, the sequence of its
  // arguments; for a result, the result (null for none). What `write` throws passes through.
  [[nodiscard]] virtual Status encode(FunctionRef<void(Encoder&)> write, Payload& out) const = 0;
  // Lends a Decoder to `read`, which reads exactly one value. Bytes left over are an error.
  [[nodiscard]] virtual Status decode(InboundMessage& message, FunctionRef<void(Decoder&)> read) const = 0;
};

// What details of errors are written in: flex, without segments. Defined in codecs/flex.
[[nodiscard]] ONWARD_API const Codec& error_detail_codec() noexcept;
// From then on Status::to_string() reads details with it; codecs/flex says so of its own. Any thread.
ONWARD_API void set_detail_printer(const Codec& codec) noexcept;

}  // namespace onward
