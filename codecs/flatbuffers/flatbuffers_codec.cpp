// SPDX-License-Identifier: Apache-2.0
#include "onward/flatbuffers/flatbuffers_codec.h"

#include "onward/single_value/single_value_codec.h"

namespace onward {

namespace {

class FlatbuffersCodec final : public Codec {
 public:
  [[nodiscard]] std::uint8_t id() const override { return 2; }
  [[nodiscard]] std::string_view name() const override { return "flatbuffers"; }

  [[nodiscard]] Status encode(FunctionRef<void(Encoder&)> write, Payload& out) const override {
    SingleValueEncoder encoder(name(), ValueKind::kTable);
    write(encoder);
    return encoder.finish(out);
  }

  [[nodiscard]] Status decode(InboundMessage& message, FunctionRef<void(Decoder&)> read) const override {
    SingleValueDecoder decoder(message, name(), ValueKind::kTable);
    read(decoder);
    return decoder.finish();
  }
};

}  // namespace

std::unique_ptr<Codec> make_flatbuffers_codec() { return std::make_unique<FlatbuffersCodec>(); }

}  // namespace onward
