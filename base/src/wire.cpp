// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <string_view>

#include "wire_generated.h"

namespace onward::wire {
namespace {

namespace fb = ::flatbuffers;

constexpr std::size_t kNoteBytes = 512;  // more than Status::without_detail() adds

static_assert(sizeof(table::FrameHeader) == sizeof(MessageHeader));
static_assert(std::endian::native == std::endian::little, "MessageHeader is used as it lies on the wire");

std::string text(const fb::String* string) {
  return string == nullptr ? std::string() : string->str().substr(0, kMaxTextBytes);
}

// A control message, copied to where its scalars are aligned, and verified.
template <class Table>
class Verified {
 public:
  Verified(std::span<const std::byte> body, std::string_view what) : bytes_(Buffer::copy_of(body)) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes_.data());
    fb::Verifier verifier(data, body.size(), kMaxDepth, kMaxTables);
    if (body.size() < sizeof(fb::uoffset_t) || !verifier.VerifyBuffer<Table>(nullptr)) {
      error_ = Status(StatusCode::kInvalidArgument,
                      "a malformed " + std::string(what) + " message of " + std::to_string(body.size()) + " bytes");
      return;
    }
    table_ = fb::GetRoot<Table>(data);
  }
  [[nodiscard]] bool ok() const { return table_ != nullptr; }
  [[nodiscard]] const Status& error() const { return error_; }
  const Table* operator->() const { return table_; }

 private:
  static constexpr fb::uoffset_t kMaxDepth = 8;
  static constexpr fb::uoffset_t kMaxTables = 1024;
  Buffer bytes_;
  const Table* table_ = nullptr;
  Status error_;
};

template <class Table>
Message finish(fb::FlatBufferBuilder& builder, fb::Offset<Table> root, MessageKind kind) {
  builder.Finish(root);
  Message message;
  message.header.kind = kind;
  message.payload.body = Buffer::copy_of(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())));
  return message;
}

StatusCode code_of(std::uint8_t value) {
  // A code that this build does not know, and an error that claims to be OK, are unknown errors.
  return value == 0 || value > static_cast<std::uint8_t>(StatusCode::kUnauthenticated) ? StatusCode::kUnknown
                                                                                       : static_cast<StatusCode>(value);
}

}  // namespace

Message encode_hello(const Hello& hello) {
  fb::FlatBufferBuilder builder;
  std::vector<fb::Offset<table::CodecName>> codecs;
  codecs.reserve(hello.codecs.size());
  for (const Hello::CodecName& codec : hello.codecs) {
    codecs.push_back(table::CreateCodecName(builder, codec.id, builder.CreateString(codec.name)));
  }
  const auto node = builder.CreateString(hello.node);
  const auto software = builder.CreateString(hello.software);
  const auto codec_vector = builder.CreateVector(codecs);
  Message message =
      finish(builder,
             table::CreateHello(builder, hello.protocol_min, hello.protocol_max, node, software, hello.features,
                                hello.max_body_bytes, hello.max_message_bytes, codec_vector),
             MessageKind::kHello);
  message.header.function_id = MessageHeader::kMagic;
  return message;
}

Result<Hello> decode_hello(std::span<const std::byte> body) {
  const Verified<table::Hello> from(body, "HELLO");
  if (!from.ok()) return std::unexpected(from.error());
  Hello hello{.protocol_min = from->protocol_min(),
              .protocol_max = from->protocol_max(),
              .node = text(from->node()),
              .software = text(from->software()),
              .features = from->features(),
              .max_body_bytes = from->max_body_bytes(),
              .max_message_bytes = from->max_message_bytes(),
              .codecs = {}};
  if (const auto* codecs = from->codecs(); codecs != nullptr) {
    for (const table::CodecName* codec : *codecs) hello.codecs.push_back({codec->id(), text(codec->name())});
  }
  return hello;
}

Message encode_goaway(const Status& reason) {
  fb::FlatBufferBuilder builder;
  const auto message = builder.CreateString(reason.message());
  return finish(builder, table::CreateGoaway(builder, static_cast<std::uint8_t>(reason.code()), message),
                MessageKind::kGoaway);
}

Result<Status> decode_goaway(std::span<const std::byte> body) {
  const Verified<table::Goaway> from(body, "GOAWAY");
  if (!from.ok()) return std::unexpected(from.error());
  return Status(code_of(from->code()), text(from->message()));
}

Buffer encode_context(const CallMetadata& metadata) {
  fb::FlatBufferBuilder builder;
  std::vector<fb::Offset<table::BaggageEntry>> entries;
  for (const auto& [key, value] : metadata.baggage.entries()) {
    const auto key_offset = builder.CreateString(key);
    entries.push_back(table::CreateBaggageEntry(builder, key_offset, builder.CreateString(value)));
  }
  const auto trace = metadata.trace ? builder.CreateString(metadata.trace->to_string()) : fb::Offset<fb::String>();
  builder.Finish(table::CreateContext(builder, trace, builder.CreateVector(entries)));
  return Buffer::copy_of(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())));
}

Result<CallMetadata> decode_context(std::span<const std::byte> segment) {
  const Verified<table::Context> from(segment, "Context");
  if (!from.ok()) return std::unexpected(from.error());
  CallMetadata metadata;
  if (from->traceparent() != nullptr) {
    const auto parent = TraceContext::parse(from->traceparent()->string_view());
    if (!parent) return fail(StatusCode::kInvalidArgument, "its traceparent is none: " + text(from->traceparent()));
    metadata.trace = parent->child();
  }
  if (const auto* entries = from->baggage(); entries != nullptr) {
    for (const table::BaggageEntry* entry : *entries) {
      if (const Status added = metadata.baggage.set(text(entry->key()), text(entry->value())); !added.ok())
        return std::unexpected(added);
    }
  }
  return metadata;
}

Message encode_error(std::uint64_t call_id, const Status& status, const std::string& signature) {
  fb::FlatBufferBuilder builder;
  std::vector<fb::Offset<table::Hop>> trail;
  trail.reserve(status.trail().size());
  for (const Hop& hop : status.trail()) {
    const auto node = builder.CreateString(hop.node);
    const auto function = builder.CreateString(hop.function);
    trail.push_back(table::CreateHop(builder, node, function, builder.CreateString(hop.message)));
  }
  const auto text_offset = builder.CreateString(std::string_view(status.message()).substr(0, kMaxTextBytes));
  const auto type = builder.CreateString(status.type());
  const auto trail_offset = builder.CreateVector(trail);
  const auto signature_offset = signature.empty() ? fb::Offset<fb::String>() : builder.CreateString(signature);
  fb::Offset<fb::String> detail_type;
  fb::Offset<fb::Vector<std::uint8_t>> detail;
  if (const Buffer& bytes = status.detail_bytes(); !bytes.empty()) {
    detail_type = builder.CreateString(std::string_view(status.detail_type()).substr(0, kMaxTextBytes));
    detail = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  Message message = finish(builder,
                           table::CreateError(builder, static_cast<std::uint8_t>(status.code()), text_offset, type,
                                              trail_offset, signature_offset, detail_type, detail),
                           MessageKind::kError);
  message.header.call_id = call_id;
  return message;
}

Result<RemoteError> decode_error(std::span<const std::byte> body) {
  const Verified<table::Error> from(body, "ERROR");
  if (!from.ok()) return std::unexpected(from.error());
  RemoteError error;
  error.status = Status(code_of(from->code()), text(from->message()));
  if (from->type() != nullptr) error.status = error.status.with_type(text(from->type()));
  if (const auto* trail = from->trail(); trail != nullptr) {
    for (const table::Hop* hop : *trail) {
      error.status = error.status.with_hop({text(hop->node()), text(hop->function()), text(hop->message())});
    }
  }
  if (const auto* detail = from->detail(); detail != nullptr && detail->size() > 0) {
    const auto bytes = std::as_bytes(std::span(detail->data(), detail->size()));
    if (bytes.size() > Status::kMaxDetailBytes) {
      // Room for the note that it was too large.
      error.status = error.status.with_message(error.status.message().substr(0, kMaxTextBytes - kNoteBytes));
    }
    error.status = error.status.with_encoded_detail(text(from->detail_type()), Buffer::copy_of(bytes));
  }
  error.signature = text(from->signature());
  return error;
}

Message bare(MessageKind kind, std::uint64_t call_id) {
  Message message;
  message.header.kind = kind;
  message.header.call_id = call_id;
  return message;
}

}  // namespace onward::wire
