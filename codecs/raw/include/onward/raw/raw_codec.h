// SPDX-License-Identifier: Apache-2.0
//
// The codec of least cost: the body is the bytes. Id 3, name "raw".
//
// Carries exactly one value of bytes, or none, as arguments and as a result. Bytes given as a Buffer of at
// least kSegmentThresholdBytes are a segment beside an empty body, without a copy; so are empty bytes, by
// which they differ from none. Nothing is verified, as every byte string is valid.
#pragma once

#include <memory>

#include "onward/codec.h"
#include "onward/export.h"

namespace onward {

[[nodiscard]] ONWARD_API std::unique_ptr<Codec> make_raw_codec();

}  // namespace onward
