// SPDX-License-Identifier: Apache-2.0
//
// Codec flex beside the FlatBuffers library's Builder, Verifier and Reference on the same values: what
// each encode and decode costs, and how often it allocates (`allocs`, a call, in the steady state).
#include <benchmark/benchmark.h>
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "onward/flex/flex_codec.h"
#include "onward/value.h"

namespace {
std::atomic<std::uint64_t> allocations{0};
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace onward {
namespace {

struct Sample {
  std::string_view name;
  std::int32_t count = 0;
  std::uint64_t id = 0;
  double score = 0;
  bool active = false;
  std::string_view city;
};
ONWARD_MEMBERS(Sample, name, count, id, score, active, city)

constexpr std::array<std::byte, 64> kBytes{};

using Bytes64 = std::tuple<std::span<const std::byte>>;
using TwoInts = std::tuple<std::int32_t, std::int32_t>;
using OneStruct = std::tuple<Sample>;
using Structs = std::tuple<std::vector<Sample>>;

const Sample kSample{"a name of some length", 42, 1'234'567'890'123, 0.5, true, "Utrecht"};
const Bytes64 kBytes64{kBytes};
const TwoInts kTwoInts{7, 70'000};
const OneStruct kOneStruct{kSample};
const Structs kStructs{std::vector<Sample>(100, kSample)};

void report(benchmark::State& state, std::uint64_t before) {
  state.counters["allocs"] = static_cast<double>(allocations.load() - before) /
                             static_cast<double>(std::max<std::int64_t>(state.iterations(), 1));
}

template <class T>
void flex_encode(benchmark::State& state, const T& value) {
  const auto codec = make_flex_codec();
  Payload payload;
  const auto once = [&] {
    benchmark::DoNotOptimize(codec->encode([&](Encoder& encoder) { encode_value(encoder, value); }, payload).ok());
  };
  for (int i = 0; i < 1000; ++i) once();
  const std::uint64_t before = allocations.load();
  for (auto _ : state) once();
  report(state, before);
}

template <class T>
void flex_decode(benchmark::State& state, const T& value) {
  const auto codec = make_flex_codec();
  Payload payload;
  if (!codec->encode([&](Encoder& encoder) { encode_value(encoder, value); }, payload).ok()) std::abort();
  InboundMessage message{.header = {}, .body = payload.body.bytes(), .storage = &payload.body};
  T read{};
  const auto once = [&] {
    benchmark::DoNotOptimize(codec->decode(message, [&](Decoder& decoder) { decode_value(decoder, read); }).ok());
    benchmark::DoNotOptimize(read);
  };
  for (int i = 0; i < 1000; ++i) once();
  const std::uint64_t before = allocations.load();
  for (auto _ : state) once();
  report(state, before);
}

void build(flexbuffers::Builder& builder, std::span<const std::byte> value) {
  builder.Blob(value.data(), value.size());
}
void build(flexbuffers::Builder& builder, std::int32_t value) { builder.Int(value); }
void build(flexbuffers::Builder& builder, const Sample& value) {
  const std::size_t start = builder.StartMap();
  builder.Key("name");
  builder.String(value.name.data(), value.name.size());
  builder.Int("count", value.count);
  builder.UInt("id", value.id);
  builder.Double("score", value.score);
  builder.Bool("active", value.active);
  builder.Key("city");
  builder.String(value.city.data(), value.city.size());
  builder.EndMap(start);
}
void build(flexbuffers::Builder& builder, const std::vector<Sample>& values) {
  const std::size_t start = builder.StartVector();
  for (const Sample& value : values) build(builder, value);
  builder.EndVector(start, false, false);
}
template <class... T>
void build_root(flexbuffers::Builder& builder, const std::tuple<T...>& values) {
  builder.Clear();
  const std::size_t start = builder.StartVector();
  std::apply([&](const auto&... value) { (build(builder, value), ...); }, values);
  builder.EndVector(start, false, false);
  builder.Finish();
}

void read(flexbuffers::Reference from, std::span<const std::byte>& value) {
  const flexbuffers::Blob blob = from.AsBlob();
  value = std::as_bytes(std::span(blob.data(), blob.size()));
}
void read(flexbuffers::Reference from, std::int32_t& value) { value = from.AsInt32(); }
void read(flexbuffers::Reference from, Sample& value) {
  const flexbuffers::Map map = from.AsMap();
  const auto text = [&](const char* key) {
    const flexbuffers::String found = map[key].AsString();
    return std::string_view(found.c_str(), found.size());
  };
  value = {text("name"), map["count"].AsInt32(), map["id"].AsUInt64(), map["score"].AsDouble(), map["active"].AsBool(),
           text("city")};
}
void read(flexbuffers::Reference from, std::vector<Sample>& values) {
  const flexbuffers::Vector vector = from.AsVector();
  values.resize(vector.size());
  for (std::size_t i = 0; i < values.size(); ++i) read(vector[i], values[i]);
}

template <class T>
void library_encode(benchmark::State& state, const T& value) {
  flexbuffers::Builder builder;
  Buffer buffer;
  const std::uint64_t before = allocations.load();
  for (auto _ : state) {
    build_root(builder, value);
    // Its vector cannot be sent as it is: there is no room for a header, and no owner to hand over.
    buffer = Buffer::copy_of(std::as_bytes(std::span(builder.GetBuffer())));
    benchmark::DoNotOptimize(buffer);
  }
  report(state, before);
}

template <class T>
void library_decode(benchmark::State& state, const T& value) {
  flexbuffers::Builder builder;
  build_root(builder, value);
  const std::vector<std::uint8_t>& bytes = builder.GetBuffer();
  T out{};
  const std::uint64_t before = allocations.load();
  for (auto _ : state) {
    if (!flexbuffers::VerifyBuffer(bytes.data(), bytes.size())) std::abort();
    const flexbuffers::Vector root = flexbuffers::GetRoot(bytes).AsVector();
    std::size_t index = 0;
    std::apply([&](auto&... member) { (read(root[index++], member), ...); }, out);
    benchmark::DoNotOptimize(out);
  }
  report(state, before);
}

BENCHMARK_CAPTURE(flex_encode, bytes_64, kBytes64);
BENCHMARK_CAPTURE(flex_encode, two_ints, kTwoInts);
BENCHMARK_CAPTURE(flex_encode, one_struct, kOneStruct);
BENCHMARK_CAPTURE(flex_encode, structs_100, kStructs);
BENCHMARK_CAPTURE(flex_decode, bytes_64, kBytes64);
BENCHMARK_CAPTURE(flex_decode, two_ints, kTwoInts);
BENCHMARK_CAPTURE(flex_decode, one_struct, kOneStruct);
BENCHMARK_CAPTURE(flex_decode, structs_100, kStructs);
BENCHMARK_CAPTURE(library_encode, bytes_64, kBytes64);
BENCHMARK_CAPTURE(library_encode, two_ints, kTwoInts);
BENCHMARK_CAPTURE(library_encode, one_struct, kOneStruct);
BENCHMARK_CAPTURE(library_encode, structs_100, kStructs);
BENCHMARK_CAPTURE(library_decode, bytes_64, kBytes64);
BENCHMARK_CAPTURE(library_decode, two_ints, kTwoInts);
BENCHMARK_CAPTURE(library_decode, one_struct, kOneStruct);
BENCHMARK_CAPTURE(library_decode, structs_100, kStructs);

}  // namespace
}  // namespace onward

BENCHMARK_MAIN();
