// SPDX-License-Identifier: Apache-2.0
#include "onward/flex/flex_codec.h"

#include "flex/flex_decoder.h"
#include "flex/flex_encoder.h"

namespace onward {

namespace {

class FlexCodec final : public Codec {
 public:
  explicit FlexCodec(std::size_t max_segments) noexcept : max_segments_(max_segments) {}

  [[nodiscard]] std::uint8_t id() const override { return 1; }
  [[nodiscard]] std::string_view name() const override { return "flex"; }

  [[nodiscard]] Status encode(FunctionRef<void(Encoder&)> write, Payload& out) const override {
    flex::FlexEncoder encoder(max_segments_);
    write(encoder);
    return encoder.finish(out);
  }

  [[nodiscard]] Status decode(InboundMessage& message, FunctionRef<void(Decoder&)> read) const override {
    flex::FlexDecoder decoder(message);
    read(decoder);
    return decoder.finish();
  }

 private:
  std::size_t max_segments_;
};

// For programs that have this codec.
[[maybe_unused]] const bool kDetailsCanBePrinted = [] {
  set_detail_printer(error_detail_codec());
  return true;
}();

}  // namespace

std::unique_ptr<Codec> make_flex_codec() { return std::make_unique<FlexCodec>(kMaxSegments); }

const Codec& error_detail_codec() noexcept {
  static const FlexCodec codec(0);
  return codec;
}

}  // namespace onward
