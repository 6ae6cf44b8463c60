// SPDX-License-Identifier: Apache-2.0
#include "onward/raw/raw_codec.h"

#include "onward/single_value/single_value_codec.h"

namespace onward {

namespace {

class RawCodec final : public Codec {
 public:
  [[nodiscard]] std::uint8_t id() const override { return 3; }
  [[nodiscard]] std::string_view name() const override { return "raw"; }

  [[nodiscard]] Status encode(FunctionRef<void(Encoder&)> write, Payload& out) const override {
    SingleValueEncoder encoder(name(), ValueKind::kBytes);
    write(encoder);
    return encoder.finish(out);
  }

  [[nodiscard]] Status decode(InboundMessage& message, FunctionRef<void(Decoder&)> read) const override {
    SingleValueDecoder decoder(message, name(), ValueKind::kBytes);
    read(decoder);
    return decoder.finish();
  }
};

}  // namespace

std::unique_ptr<Codec> make_raw_codec() { return std::make_unique<RawCodec>(); }

}  // namespace onward
