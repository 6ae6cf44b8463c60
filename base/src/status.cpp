// SPDX-License-Identifier: Apache-2.0
#include "onward/status.h"

#include <cxxabi.h>

#include <array>
#include <typeinfo>

#include "detail_text.h"
#include "exception_registry.h"
#include "onward/buffer.h"
#include "onward/log.h"

namespace onward {
namespace {

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

const std::string kEmpty;
const std::vector<Hop> kNoHops;
const Buffer kNoBytes;

// What is not an exception of the user's own kind.
Status status_of_unregistered() noexcept {
  try {
    throw;
  } catch (const StatusCarrier& error) {
    return error.status();
  } catch (const RpcError& error) {
    return error.status();
  } catch (const std::bad_alloc& error) {
    return Status(StatusCode::kResourceExhausted, "out of memory").with_type(type_name(typeid(error)));
  } catch (const std::exception& error) {
    return Status(StatusCode::kUnknown, error.what()).with_type(type_name(typeid(error)));
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return Status(StatusCode::kUnknown, "an exception that is not a std::exception")
        .with_type(type == nullptr ? std::string() : type_name(*type));
  }
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
  std::string hop_message;
  std::string detail_type;
  Buffer detail;  // shared by copies

  Rep(StatusCode c, std::string m) : code(c), message(std::move(m)) {}
  Rep(const Rep& other)
      : code(other.code),
        message(other.message),
        type(other.type),
        trail(other.trail),
        hop_message(other.hop_message),
        detail_type(other.detail_type),
        detail(other.detail) {}
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

const std::string& Status::hop_message() const noexcept { return rep_ == nullptr ? kEmpty : rep_->hop_message; }
const std::string& Status::detail_type() const noexcept { return rep_ == nullptr ? kEmpty : rep_->detail_type; }
const Buffer& Status::detail_bytes() const noexcept { return rep_ == nullptr ? kNoBytes : rep_->detail; }

template <class Change>
Status Status::changed(Change change) const {
  Status copy;
  if (rep_ == nullptr) return copy;
  copy.rep_ = new Rep(*rep_);
  change(*copy.rep_);
  return copy;
}

Status Status::with_message(std::string message) const {
  return changed([&](Rep& rep) { rep.message = std::move(message); });
}

Status Status::with_type(std::string type) const {
  return changed([&](Rep& rep) { rep.type = std::move(type); });
}

Status Status::with_hop(Hop hop) const {
  return changed([&](Rep& rep) {
    rep.hop_message.clear();
    if (rep.trail.size() < kMaxHops) rep.trail.push_back(std::move(hop));
  });
}

Status Status::with_hop_message(std::string_view message) const {
  return changed([&](Rep& rep) {
    rep.hop_message = rep.hop_message.empty() ? std::string(message) : std::string(message) + ": " + rep.hop_message;
  });
}

Status Status::with_encoded_detail(std::string type, Buffer bytes) const {
  if (bytes.empty()) return without_detail(type, "it has no bytes");
  if (bytes.size() > kMaxDetailBytes) {
    return without_detail(type, std::to_string(bytes.size()) + " bytes are more than the " +
                                    std::to_string(kMaxDetailBytes) + " that an error carries");
  }
  return changed([&](Rep& rep) {
    rep.detail_type = std::move(type);
    rep.detail = std::move(bytes);
  });
}

Status Status::without_detail(std::string_view type, std::string_view why) const {
  constexpr std::size_t kMaxWords = 200;  // of each
  return changed([&](Rep& rep) {
    rep.message += (rep.message.empty() ? "(its detail " : " (its detail ") + std::string(type.substr(0, kMaxWords)) +
                   " was left out: " + std::string(why.substr(0, kMaxWords)) + ")";
    rep.detail_type.clear();
    rep.detail = Buffer();
  });
}

void Status::throw_if_error() const {
  if (!ok()) throw_error(*this);
}

std::string Status::to_string() const {
  std::string text(onward::to_string(code()));
  if (rep_ == nullptr) return text;
  text += ": " + rep_->message;
  if (!rep_->type.empty()) text += " [" + rep_->type + "]";
  if (!rep_->detail.empty()) text += "\n    detail " + rep_->detail_type + ": " + detail_text(rep_->detail);
  for (const Hop& hop : rep_->trail) {
    text += "\n    at node " + hop.node;
    if (!hop.function.empty()) text += ", function " + hop.function;
    if (!hop.message.empty()) text += ": " + hop.message;
  }
  if (!rep_->hop_message.empty()) text += "\n    here: " + rep_->hop_message;
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
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (const ExceptionType* registered = type == nullptr ? nullptr : find_exception(*type); registered != nullptr) {
    try {
      return registered->capture();
    } catch (...) {
      log(LogLevel::kError, "errors",
          "what " + registered->name + " is registered with has thrown " + status_of_unregistered().to_string() +
              " instead of describing it");
    }
  }
  return status_of_unregistered();
}

void throw_error(const Status& error) {
  if (error.ok()) throw RpcError(StatusCode::kInternal, "failed with a status of OK");
  if (const ExceptionType* registered = find_exception(error.type()); registered != nullptr) registered->raise(error);
  throw RpcError(error);
}

}  // namespace onward
