// SPDX-License-Identifier: Apache-2.0
//
// Exceptions that come back as themselves. A handler throws SoldOut; whoever waits for the call, any number of nodes
// away, catches SoldOut. Register the type in the programs at both ends, beside it or at start:
//
//   struct SoldOut : std::runtime_error {              // 1. made from a string: its message travels
//     using std::runtime_error::runtime_error;
//   };
//   ONWARD_EXCEPTION(demo::SoldOut, StatusCode::kFailedPrecondition)
//
//   struct SeatsTaken : std::exception {               // 2. its members travel, as the error's detail
//     std::vector<std::string> rows;
//   };
//   ONWARD_MEMBERS(SeatsTaken, rows)
//   ONWARD_EXCEPTION(demo::SeatsTaken)
//
//   register_exception<SqlError>(                      // 3. what travels is made and read by a pair of functions
//       [](const SqlError& error) { return error.number(); },
//       [](const Status& status, int number) { return SqlError(number, status.message()); });
//
// What is thrown is an E, a std::exception and a StatusCarrier (exception_registry.h), which has code, detail and
// trail. When it leaves another handler, or a callback, these go on; `throw error;` of a caught `const E& error` is
// a new E, however, as everywhere in C++: use `throw;`.
//
// Thrown by Future::wait() and value(), rpc_sync() and Status::throw_if_error(), instead of RpcError: code that
// catches RpcError does not see registered types. None is registered by itself, no std type either, so whoever
// catches RpcError for everything goes on so. Where the type is not registered, or the detail cannot be read, it
// is an RpcError whose status().type() has the name. A base that is registered stands for derived types that are
// not (with single inheritance).
//
// The registry belongs to the process and only grows; any thread may add to it. Modules that are loaded from files
// share it.
#pragma once

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "onward/error_detail.h"
#include "onward/exception_registry.h"
#include "onward/log.h"
#include "onward/status.h"
#include "onward/value_members.h"

namespace onward {
namespace detail {

template <class E>
concept MemberException = std::default_initializable<E> && (ListsMembersInside<E> || ListsMembersBeside<E>);
template <class E>
concept TextException = std::derived_from<E, std::exception> && std::constructible_from<E, const std::string&>;
template <class E>
concept StatusException = std::derived_from<E, std::exception> && std::constructible_from<E, const Status&>;

struct NoBase {};
// For types that are not exceptions in C++'s eyes, so that these may be caught as such as well.
class ThrownException : public std::exception {};

// What is thrown for a registered E.
template <class E>
class Thrown final : public E,
                     public std::conditional_t<std::derived_from<E, std::exception>, NoBase, ThrownException>,
                     public StatusCarrier {
 public:
  Thrown(E error, const Status& status) : E(std::move(error)), StatusCarrier(status) {}
};

template <class E>
Status status_of_exception(const E& error, StatusCode code, const std::string& name) {
  if constexpr (std::derived_from<E, RpcError>) {
    return error.status().with_type(name);
  } else if constexpr (std::derived_from<E, std::exception>) {
    return Status(code, error.what()).with_type(name);
  } else {
    return Status(code, name + " was thrown").with_type(name);
  }
}

// `capture(const E&, Status)` adds to the status; `raise(const Status&)` throws or returns.
template <class E, class Capture, class Raise>
Status add_exception(StatusCode code, std::string_view name, Capture capture, Raise raise) {
  static_assert(std::is_class_v<E> && !std::is_final_v<E>,
                "An exception that comes back as itself is a class that others may derive from.");
  static_assert(std::copy_constructible<E>, "An exception has to be copyable.");
  std::string text = name.empty() ? type_name(typeid(E)) : std::string(name);
  return register_exception_type({.name = text,
                                  .type = &typeid(E),
                                  .capture =
                                      [capture = std::move(capture), code, text] {
                                        try {
                                          throw;
                                        } catch (const E& error) {
                                          return capture(error, status_of_exception(error, code, text));
                                        }
                                      },
                                  .raise = std::move(raise)});
}

}  // namespace detail

// Registers E in the forms 1 and 2 of above; where both fit, its members travel. Its errors have `code`, but for
// classes derived from RpcError, which have their own. `name` is what it is called in Status::type() and must be the
// same at both ends; C++'s name if it is empty. OK if E is there already; ALREADY_EXISTS for another name of the same
// type, or another type of the same name.
template <class E>
Status register_exception(StatusCode code = StatusCode::kUnknown, std::string_view name = {}) {
  if constexpr (detail::MemberException<E>) {
    return detail::add_exception<E>(
        code, name, [](const E& error, const Status& status) { return status.with_detail(error); },
        [](const Status& status) {
          if (auto error = status.detail<E>()) throw detail::Thrown<E>(*std::move(error), status);
        });
  } else {
    static_assert(detail::TextException<E> || detail::StatusException<E>,
                  "An exception that comes back as itself has ONWARD_MEMBERS and a default constructor, or is a "
                  "std::exception that can be made from a std::string (or Status); or give register_exception() a "
                  "pair of functions.");
    return detail::add_exception<E>(
        code, name, [](const E&, const Status& status) { return status; },
        [](const Status& status) {
          if constexpr (detail::StatusException<E>) {
            throw detail::Thrown<E>(E(status), status);
          } else {
            throw detail::Thrown<E>(E(status.message()), status);
          }
        });
  }
}

// In the form 3: `write(const E&)` returns any value that can be an argument, the detail; `read(const Status&,
// const Value&)` makes an E of it.
template <class E, class Write, class Read>
  requires std::invocable<const Write&, const E&>
Status register_exception(Write write, Read read, StatusCode code = StatusCode::kUnknown, std::string_view name = {}) {
  using Detail = std::remove_cvref_t<std::invoke_result_t<const Write&, const E&>>;
  static_assert(std::is_invocable_r_v<E, const Read&, const Status&, const Detail&>,
                "The second function takes the status and what the first returns, and returns the exception.");
  return detail::add_exception<E>(
      code, name,
      [write = std::move(write)](const E& error, const Status& status) { return status.with_detail(write(error)); },
      [read = std::move(read)](const Status& status) {
        if (const auto value = status.detail<Detail>()) throw detail::Thrown<E>(read(status, *value), status);
      });
}

namespace detail {

template <class E>
bool register_exception_at_start(StatusCode code = StatusCode::kUnknown, std::string_view name = {}) {
  const Status refused = register_exception<E>(code, name);
  if (!refused.ok()) log(LogLevel::kError, "errors", refused.message());
  return refused.ok();
}

}  // namespace detail
}  // namespace onward

#define ONWARD_EXCEPTION_JOIN2(a, b) a##b
#define ONWARD_EXCEPTION_JOIN(a, b) ONWARD_EXCEPTION_JOIN2(a, b)
// ONWARD_EXCEPTION(Type), ONWARD_EXCEPTION(Type, code), ONWARD_EXCEPTION(Type, code, name), outside of functions and
// also in headers: register_exception<Type>(code, name) when the program, or the module, is loaded. What is refused
// is logged.
#define ONWARD_EXCEPTION(Type, ...)                                                          \
  [[maybe_unused]] static const bool ONWARD_EXCEPTION_JOIN(onward_exception_, __COUNTER__) = \
      ::onward::detail::register_exception_at_start<Type>(__VA_ARGS__);
