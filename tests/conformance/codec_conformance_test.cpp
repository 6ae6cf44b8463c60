// SPDX-License-Identifier: Apache-2.0
#include "onward/testing/codec_conformance.h"

#include "onward/flatbuffers/flatbuffers_codec.h"
#include "onward/flex/flex_codec.h"
#include "onward/raw/raw_codec.h"

namespace onward {

ONWARD_CODEC_CONFORMANCE(flex, make_flex_codec, Carries::kEverything);
ONWARD_CODEC_CONFORMANCE(flatbuffers, make_flatbuffers_codec, Carries::kTable);
ONWARD_CODEC_CONFORMANCE(raw, make_raw_codec, Carries::kBytes);

}  // namespace onward
