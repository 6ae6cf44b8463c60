// SPDX-License-Identifier: Apache-2.0
//
// Module "watch": a function that answers when there is something to say. Who waits holds no thread, here or at home.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "note_store.h"
#include "onward/combinators.h"
#include "onward/module.h"
#include "onward/typed_function.h"

namespace example {
namespace {

using onward::Future;
using onward::RpcError;
using onward::StatusCode;

class WatchModule final : public onward::Module, private NoteListener {
 public:
  onward::Status start(onward::ModuleContext& context) override {
    max_waiting_ = context.arguments().get<std::size_t>("max_waiting");
    max_wait_ = std::chrono::milliseconds(context.arguments().get<std::int64_t>("max_wait_ms"));
    notes_ = &context.service<NoteStore>();
    notes_->add(*this);
    return context.functions().add(
        "watch.next", [this](const std::string& word) { return next(word); },
        "the next note that has the word in title or text, once somebody puts it");
  }

  // Behind the calls in flight; the store is still there.
  Future<void> stop() override {
    notes_->remove(*this);
    return Future<void>::of();
  }

 private:
  struct Waiting {
    std::string word;
    Future<Note> note;
  };

  Future<Note> next(const std::string& word) {
    if (waiting_.size() >= max_waiting_) {
      throw RpcError(StatusCode::kResourceExhausted,
                     "max_waiting, " + std::to_string(max_waiting_) + " callers, wait already; try again later");
    }
    const std::uint64_t id = ++last_id_;
    const Future<Note> note;
    waiting_.emplace(id, Waiting{word, note});
    Future<Note> answer = onward::with_timeout(note, max_wait_);
    answer.on_done([this, id](const auto&) { waiting_.erase(id); });
    return answer;
  }

  // Callbacks never run inside try_complete(), so nothing changes the map meanwhile.
  void on_note(const Note& note) override {
    for (const auto& [id, waiting] : waiting_) {
      const bool wanted =
          note.title.find(waiting.word) != std::string::npos || note.text.find(waiting.word) != std::string::npos;
      if (wanted) waiting.note.try_complete(note);
    }
  }

  NoteStore* notes_ = nullptr;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t last_id_ = 0;
  std::size_t max_waiting_ = 0;
  onward::Duration max_wait_{};
};

constexpr onward::Parameter kWatchParameters[] = {
    onward::parameter("max_waiting", 10'000, "callers at a time; more are RESOURCE_EXHAUSTED").range(1, 1'000'000),
    onward::parameter("max_wait_ms", 60'000, "a caller gets DEADLINE_EXCEEDED then").unit("ms").range(1, 86'400'000),
};

}  // namespace

ONWARD_MODULE(watch, .version = "1.0", .summary = "tells of new notes", .create = onward::make_module<WatchModule>,
              .parameters = kWatchParameters, .needs = {"note_store"});

}  // namespace example
