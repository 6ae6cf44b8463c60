// SPDX-License-Identifier: Apache-2.0
//
// Structs as values. Beside the struct, in its namespace:
//
//   struct Hit {
//     std::string file;
//     std::int32_t line = 0;
//     std::string text;
//   };
//   ONWARD_MEMBERS(Hit, file, line, text)
//
// or inside it, which reaches private members and templates, and allows other names on the wire:
//
//   static constexpr auto onward_members = onward::members("Hit", onward::member("file", &Hit::file), …);
//
// A struct travels as a map by member name. Members that the receiver does not know are ignored, and
// those that are missing keep their default, so that members may be added and removed while old and new
// programs talk. The name counts in signatures; the list of members does not.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "onward/value_traits.h"

namespace onward {

template <class T, class M>
struct Member {
  std::string_view name;
  M T::* pointer;
};

template <class... Members>
struct MemberList {
  std::string_view type_name;
  std::tuple<Members...> members;
};

template <class T, class M>
[[nodiscard]] constexpr Member<T, M> member(std::string_view name, M T::* pointer) {
  return {name, pointer};
}

template <class T, class... M>
[[nodiscard]] constexpr MemberList<Member<T, M>...> members(std::string_view type_name, Member<T, M>... list) {
  return {type_name, {list...}};
}

namespace detail {

template <class T>
concept ListsMembersInside = requires { T::onward_members; };
template <class T>
concept ListsMembersBeside = requires(const T* value) { onward_members_of(value); };

template <class T>
[[nodiscard]] consteval auto members_of() {
  if constexpr (ListsMembersInside<T>) {
    return T::onward_members;
  } else {
    return onward_members_of(static_cast<const T*>(nullptr));
  }
}

template <class T>
struct MemberTable {
  static constexpr auto kList = members_of<T>();
  static constexpr std::size_t kCount = std::tuple_size_v<decltype(kList.members)>;
  static constexpr std::array<std::string_view, kCount> kNames = std::apply(
      [](const auto&... member) { return std::array<std::string_view, kCount>{member.name...}; }, kList.members);

  // Members by name: codecs want sorted keys, and sorted input is a merge instead of a search.
  static constexpr std::array<std::size_t, kCount> kOrder = [] {
    std::array<std::size_t, kCount> order{};
    for (std::size_t i = 0; i < kCount; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [](std::size_t a, std::size_t b) { return kNames[a] < kNames[b]; });
    return order;
  }();

  template <std::size_t Rank>
  static constexpr auto pointer() {
    return std::get<kOrder[Rank]>(kList.members).pointer;
  }
  template <std::size_t Rank>
  static void decode_member(Decoder& decoder, T& value) {
    decode_value(decoder, value.*pointer<Rank>());
  }

  using DecodeMember = void (*)(Decoder&, T&);
  static constexpr std::array<DecodeMember, kCount> kDecode = []<std::size_t... Rank>(std::index_sequence<Rank...>) {
    return std::array<DecodeMember, kCount>{&decode_member<Rank>...};
  }(std::make_index_sequence<kCount>());

  static constexpr std::string_view name(std::size_t rank) { return kNames[kOrder[rank]]; }

  static constexpr bool kUnique = [] {
    for (std::size_t rank = 1; rank < kCount; ++rank) {
      if (name(rank - 1) == name(rank)) return false;
    }
    return true;
  }();
  static_assert(kUnique, "ONWARD_MEMBERS names a member twice.");
};

}  // namespace detail

template <class T>
  requires std::is_class_v<T> && (detail::ListsMembersInside<T> || detail::ListsMembersBeside<T>)
struct Value<T> {
  using Table = detail::MemberTable<T>;

  static void encode(Encoder& encoder, const T& value) {
    encoder.begin_map(Table::kCount);
    [&]<std::size_t... Rank>(std::index_sequence<Rank...>) {
      ((encoder.key(Table::name(Rank)), encode_value(encoder, value.*Table::template pointer<Rank>())), ...);
    }(std::make_index_sequence<Table::kCount>());
    encoder.end_map();
  }

  static void decode(Decoder& decoder, T& value) {
    const std::size_t count = decoder.begin_map();
    std::size_t expected = 0;
    for (std::size_t i = 0; i < count && decoder.ok(); ++i) {
      const std::size_t rank = find(decoder.key(), expected);
      if (rank < Table::kCount) {
        Table::kDecode[rank](decoder, value);
        expected = rank + 1;
      } else {
        decoder.skip();
      }
    }
    decoder.end_map();
  }

  static void describe(std::string& out) { out += Table::kList.type_name; }

  static void list_structs(std::vector<std::string>& out) {
    std::apply([&](const auto&... member) { list_this(out, member...); }, Table::kList.members);
  }

 private:
  template <class... M>
  static void list_this(std::vector<std::string>& out, const Member<T, M>&... member) {
    std::string text = std::string(Table::kList.type_name) + '{';
    std::size_t index = 0;
    ((text.append(index++ == 0 ? "" : ", ").append(member.name).append(": "), describe_value<M>(text)), ...);
    text += '}';
    if (std::find(out.begin(), out.end(), text) != out.end()) return;
    out.push_back(std::move(text));
    (onward::list_structs<M>(out), ...);
  }
  // The rank of the member `key`, or kCount; at once if it is the one that is expected.
  static std::size_t find(std::string_view key, std::size_t expected) {
    if (expected < Table::kCount && Table::name(expected) == key) return expected;
    std::size_t rank = 0;
    while (rank < Table::kCount && Table::name(rank) != key) ++rank;
    return rank;
  }
};

}  // namespace onward

// Lists the members of a struct by their own names; see above. At namespace scope, up to 64 members.
#define ONWARD_MEMBERS(Type, ...)                                                              \
  [[maybe_unused, nodiscard]] constexpr auto onward_members_of(const Type*) {                  \
    using OnwardType = Type;                                                                   \
    return ::onward::members<OnwardType>(#Type __VA_OPT__(, ONWARD_DETAIL_EACH(__VA_ARGS__))); \
  }

#define ONWARD_DETAIL_MEMBER(name) ::onward::member(#name, &OnwardType::name)
#define ONWARD_DETAIL_EACH(...) ONWARD_DETAIL_EXPAND4(ONWARD_DETAIL_STEP(__VA_ARGS__))
#define ONWARD_DETAIL_STEP(name, ...) \
  ONWARD_DETAIL_MEMBER(name) __VA_OPT__(, ONWARD_DETAIL_AGAIN ONWARD_DETAIL_PARENS(__VA_ARGS__))
#define ONWARD_DETAIL_AGAIN() ONWARD_DETAIL_STEP
#define ONWARD_DETAIL_PARENS ()
#define ONWARD_DETAIL_EXPAND4(...) \
  ONWARD_DETAIL_EXPAND3(ONWARD_DETAIL_EXPAND3(ONWARD_DETAIL_EXPAND3(ONWARD_DETAIL_EXPAND3(__VA_ARGS__))))
#define ONWARD_DETAIL_EXPAND3(...) \
  ONWARD_DETAIL_EXPAND2(ONWARD_DETAIL_EXPAND2(ONWARD_DETAIL_EXPAND2(ONWARD_DETAIL_EXPAND2(__VA_ARGS__))))
#define ONWARD_DETAIL_EXPAND2(...) \
  ONWARD_DETAIL_EXPAND1(ONWARD_DETAIL_EXPAND1(ONWARD_DETAIL_EXPAND1(ONWARD_DETAIL_EXPAND1(__VA_ARGS__))))
#define ONWARD_DETAIL_EXPAND1(...) __VA_ARGS__
