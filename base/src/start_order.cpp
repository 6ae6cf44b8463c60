// SPDX-License-Identifier: Apache-2.0
#include "start_order.h"

#include <algorithm>
#include <map>

namespace onward {
namespace {

// Depth first: what a startable needs goes before it. All are few.
class Order {
 public:
  explicit Order(const std::vector<Startable>& all) : all_(all), marks_(all.size(), Mark::kNew) {}

  Result<std::vector<std::size_t>> find() {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      for (const std::string_view name : names_of(all_[i])) {
        const auto [other, added] = by_name_.try_emplace(name, i);
        if (!added && other->second != i) return taken(name, other->second, i);
      }
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (const Status circular = visit(i); !circular.ok()) return std::unexpected(circular);
    }
    return order_;
  }

 private:
  enum class Mark : std::uint8_t { kNew, kOpen, kDone };

  static std::vector<std::string_view> names_of(const Startable& one) {
    std::vector<std::string_view> names = one.provides;
    names.insert(names.begin(), one.name);
    return names;
  }

  [[nodiscard]] std::unexpected<Status> taken(std::string_view name, std::size_t first, std::size_t second) const {
    const std::string quoted = "\"" + std::string(name) + "\"";
    if (all_[first].name == all_[second].name) {
      return fail(StatusCode::kFailedPrecondition, "the module " + quoted + " is there twice: a node has each once");
    }
    return fail(StatusCode::kFailedPrecondition, "the modules \"" + std::string(all_[first].name) + "\" and \"" +
                                                     std::string(all_[second].name) + "\" both provide " + quoted +
                                                     ": a node can use one of them");
  }

  Status visit(std::size_t index) {
    if (marks_[index] == Mark::kDone) return {};
    path_.push_back(index);
    if (marks_[index] == Mark::kOpen) return circle(index);
    marks_[index] = Mark::kOpen;
    for (const auto* names : {&all_[index].needs, &all_[index].wants}) {
      for (const std::string_view name : *names) {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) continue;
        if (Status circular = visit(found->second); !circular.ok()) return circular;
      }
    }
    marks_[index] = Mark::kDone;
    path_.pop_back();
    order_.push_back(index);
    return {};
  }

  [[nodiscard]] Status circle(std::size_t index) const {
    std::string text;
    for (auto step = std::ranges::find(path_, index); step != path_.end(); ++step) {
      text += (text.empty() ? "" : " needs ") + ("\"" + std::string(all_[*step].name) + "\"");
    }
    return {StatusCode::kFailedPrecondition, "modules that need each other cannot start: " + text};
  }

  const std::vector<Startable>& all_;
  std::map<std::string_view, std::size_t> by_name_;
  std::vector<Mark> marks_;
  std::vector<std::size_t> path_;
  std::vector<std::size_t> order_;
};

}  // namespace

Result<std::vector<std::size_t>> start_order(const std::vector<Startable>& all) { return Order(all).find(); }

}  // namespace onward
