// SPDX-License-Identifier: Apache-2.0
//
// C++ types and the data model of codec.h. Every type that may be an argument, a result or a part of one
// has a Value<T>:
//
//   C++                                             model          name in signatures
//   ----------------------------------------------  -------------  -------------------------
//   bool                                            boolean        bool
//   std::int8_t … std::uint64_t, and their aliases  integer        int8 … uint64
//   float, double                                   real           float32, float64
//   enumerations                                    integer        that of the underlying type
//   std::string, std::string_view (borrows)         string         string
//   Buffer, std::vector<std::byte>,                 bytes          bytes
//     std::span<const std::byte> (borrows)
//   std::vector<T>, std::array<T, N>, std::set<T>   sequence, or   list<T>, array<T, N>, set<T>
//                                                   packed numbers
//   std::map<K, T>, std::unordered_map<K, T>        map            map<K, T>
//   std::optional<T>                                null or T      optional<T>
//   std::tuple<A, B>, std::pair<A, B>               sequence       (A, B)
//   std::monostate                                  null           null
//   std::chrono::duration                           integer        duration
//   structs with ONWARD_MEMBERS (value_members.h)   map            the struct's name
//   Tensor (tensor.h)                               tensor         tensor
//   DynamicValue (value_dynamic.h)                  anything       any
//   FlatTable<T> (onward/flatbuffers/flat_table.h)  table          table demo.Point
//
// What borrows points into the message: good as a handler's parameter, during the call. Decoding a
// scalar, a view or a Buffer allocates nothing.
//
// Numbers are converted where the value fits and are INVALID_ARGUMENT where it does not; a real becomes
// an integer never, an integer a real always. Maps whose keys are not strings travel as a sequence of
// [key, value]; where keys are integers, a map with the keys in decimal is read as well, since JSON has
// no other. A duration travels in nanoseconds, and is cut to its unit when it is read.
#pragma once

#include "onward/tensor.h"            // IWYU pragma: export
#include "onward/value_containers.h"  // IWYU pragma: export
#include "onward/value_members.h"     // IWYU pragma: export
#include "onward/value_traits.h"      // IWYU pragma: export
