// SPDX-License-Identifier: Apache-2.0
#include "onward/flex/flex_codec.h"

#include "flex/flex_decoder.h"
#include "flex/flex_encoder.h"

namespace onward {

namespace {

class FlexCodec final : public Codec {
 public:
  [[nodiscard]] std::uint8_t id() const override { return 1; }
  [[nodiscard]] std::string_view name() const override { return "flex"; }

  [[nodiscard]] Status encode(FunctionRef<void(Encoder&)> write, Payload& out) const override {
    flex::FlexEncoder encoder;
    write(encoder);
    return encoder.finish(out);
  }

  [[nodiscard]] Status decode(InboundMessage& message, FunctionRef<void(Decoder&)> read) const override {
    flex::FlexDecoder decoder(message);
    read(decoder);
    return decoder.finish();
  }
};

}  // namespace

std::unique_ptr<Codec> make_flex_codec() { return std::make_unique<FlexCodec>(); }

}  // namespace onward
