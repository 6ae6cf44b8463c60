// SPDX-License-Identifier: Apache-2.0
//
// The codec that carries everything: any value of the model in onward/codec.h, as FlexBuffers
// (https://flatbuffers.dev/flexbuffers). Id 1, name "flex".
//
// The body is one FlexBuffers message; flexbuffers::GetRoot and VerifyBuffer of the FlatBuffers library
// read it, and all that its Builder writes is read here. Buffers, tensors and tables from
// kSegmentThresholdBytes on travel as segments, up to kMaxSegments of them; the body refers to each
// exactly once. How they appear in the body: flex_format.h.
//
// Limits: nesting to kMaxValueDepth, where a string or bytes count as a level as they do in the library's
// verifier; a body of 4 GiB. Keys are unique and hold no NUL.
//
// Decoding trusts nothing: every offset, width and length is checked before use, and the work that a
// message can cause grows with its size, however often it refers to the same bytes. INVALID_ARGUMENT
// says what was found, what was expected, and where: "at [1].line: expected an integer, found a
// string" is member `line` of the second argument. Bytes that no value refers to are not looked for.
#pragma once

#include <memory>

#include "onward/codec.h"
#include "onward/export.h"

namespace onward {

[[nodiscard]] ONWARD_API std::unique_ptr<Codec> make_flex_codec();

}  // namespace onward
