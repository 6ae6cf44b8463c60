// SPDX-License-Identifier: Apache-2.0
#include "onward/status.h"

#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace onward {
namespace {

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

const std::string kEmpty;
const std::vector<Hop> kNoHops;

std::string demangle(const char* name) {
  int failed = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &failed),
                                                         &std::free);
  return failed == 0 && text ? text.get() : name;
}

}  // namespace

std::string_view to_string(StatusCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kCodeNames.size() ? kCodeNames[index] : "UNKNOWN";
}

struct Status::Rep {
  std::atomic<std::uint32_t> references{1};
  StatusCode code;
  std::string message;
  std::string type;
  std::vector<Hop> trail;

  Rep(StatusCode c, std::string m) : code(c), message(std::move(m)) {}
  Rep(const Rep& other) : code(other.code), message(other.message), type(other.type), trail(other.trail) {}
};

Status::Status(StatusCode code, std::string message)
    : rep_(code == StatusCode::kOk ? nullptr : new Rep(code, std::move(message))) {}

Status::Status(const Status& other) noexcept : rep_(other.rep_) {
  if (rep_ != nullptr) rep_->references.fetch_add(1, std::memory_order_relaxed);
}

Status::~Status() {
  if (rep_ != nullptr) release(rep_);
}

void Status::release(Rep* rep) noexcept {
  if (rep->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rep;
}

StatusCode Status::code() const noexcept { return rep_ == nullptr ? StatusCode::kOk : rep_->code; }
const std::string& Status::message() const noexcept { return rep_ == nullptr ? kEmpty : rep_->message; }
const std::string& Status::type() const noexcept { return rep_ == nullptr ? kEmpty : rep_->type; }
const std::vector<Hop>& Status::trail() const noexcept { return rep_ == nullptr ? kNoHops : rep_->trail; }

Status Status::with_message(std::string message) const {
  Status copy;
  if (rep_ == nullptr) return copy;
  copy.rep_ = new Rep(*rep_);
  copy.rep_->message = std::move(message);
  return copy;
}

Status Status::with_type(std::string type) const {
  Status copy;
  if (rep_ == nullptr) return copy;
  copy.rep_ = new Rep(*rep_);
  copy.rep_->type = std::move(type);
  return copy;
}

Status Status::with_hop(Hop hop) const {
  if (rep_ == nullptr || rep_->trail.size() >= kMaxHops) return *this;
  Status copy;
  copy.rep_ = new Rep(*rep_);
  copy.rep_->trail.push_back(std::move(hop));
  return copy;
}

void Status::throw_if_error() const {
  if (!ok()) throw RpcError(*this);
}

std::string Status::to_string() const {
  std::string text(onward::to_string(code()));
  if (rep_ == nullptr) return text;
  text += ": " + rep_->message;
  if (!rep_->type.empty()) text += " [" + rep_->type + "]";
  for (const Hop& hop : rep_->trail) {
    text += "\n    at node " + hop.node;
    if (!hop.function.empty()) text += ", function " + hop.function;
    if (!hop.message.empty()) text += ": " + hop.message;
  }
  return text;
}

Status status_from(const std::exception_ptr& error) noexcept {
  if (!error) return {StatusCode::kUnknown, "an error without an exception"};
  try {
    std::rethrow_exception(error);
  } catch (...) {
    return status_from_current_exception();
  }
}

Status status_from_current_exception() noexcept {
  try {
    throw;
  } catch (const RpcError& error) {
    return error.status();
  } catch (const std::bad_alloc& error) {
    return Status(StatusCode::kResourceExhausted, "out of memory").with_type(demangle(typeid(error).name()));
  } catch (const std::exception& error) {
    return Status(StatusCode::kUnknown, error.what()).with_type(demangle(typeid(error).name()));
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return Status(StatusCode::kUnknown, "an exception that is not a std::exception")
        .with_type(type == nullptr ? std::string() : demangle(type->name()));
  }
}

}  // namespace onward
