// SPDX-License-Identifier: Apache-2.0
//
// The codec of tables that flatc generates code for: the body is the finished FlatBuffers buffer itself,
// which FlatTable (flat_table.h) verifies and reads in place. Id 2, name "flatbuffers".
//
// Carries exactly one table, or none, as arguments and as a result. A table of at least
// kSegmentThresholdBytes is a segment beside an empty body, without a copy. The table's type is not on the
// wire: what verifies as the type that the reader expects is taken for it.
#pragma once

#include <memory>

#include "onward/codec.h"
#include "onward/export.h"

namespace onward {

[[nodiscard]] ONWARD_API std::unique_ptr<Codec> make_flatbuffers_codec();

}  // namespace onward
