// SPDX-License-Identifier: Apache-2.0
//
// Module "notes": notes that are kept in a file. What blocks runs on the pool; the module itself needs no locks.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "database.h"
#include "note_store.h"
#include "onward/module.h"
#include "onward/typed_function.h"

namespace example {
namespace {

using onward::blocking;
using onward::Future;
using onward::RpcError;
using onward::StatusCode;

class NotesModule final : public onward::Module, public NoteStore {
 public:
  // Opening the file blocks, too; but nobody waits yet, and where it fails the node is not to start.
  onward::Status start(onward::ModuleContext& context) override {
    const onward::Arguments& arguments = context.arguments();
    database_ = std::make_shared<Database>(arguments.get<std::string>("file"));
    max_bytes_ = arguments.get<std::size_t>("max_bytes");
    pool_ = &context.pool();

    onward::FunctionTable& functions = context.functions();
    const auto put_note = [this](const Note& note) { return put(note); };
    const auto get = [database = database_](const std::string& title) { return database->get(title); };
    const auto remove_note = [database = database_](const std::string& title) { return database->remove(title); };
    const auto find = [database = database_](const std::string& word, std::int64_t limit) {
      if (limit < 1) throw RpcError(StatusCode::kInvalidArgument, "the limit must be 1 or more");
      return database->find(word, limit);
    };
    functions.add("notes.put", put_note, "keeps a note, in the place of one with the same title").throw_if_error();
    functions.add("notes.get", blocking(get), "the note with that title").throw_if_error();
    functions.add("notes.remove", blocking(remove_note), "whether there was a note with that title").throw_if_error();
    functions.add("notes.find", blocking(find), "the first notes, by title, that have a word in title or text")
        .throw_if_error();
    return context.provide<NoteStore>(*this);
  }

  void add(NoteListener& listener) override { listeners_.push_back(&listener); }
  void remove(NoteListener& listener) override { std::erase(listeners_, &listener); }

 private:
  // Three steps: on the kernel thread, on the pool, on the kernel thread again. None waits for another.
  Future<void> put(const Note& note) {
    if (note.title.empty()) throw RpcError(StatusCode::kInvalidArgument, "a note needs a title");
    if (note.title.size() + note.text.size() > max_bytes_) {
      throw RpcError(StatusCode::kInvalidArgument, "the note is larger than max_bytes, " + std::to_string(max_bytes_) +
                                                       " bytes; make it shorter, or configure more");
    }
    return pool_->run([database = database_, note] { database->put(note); }).then([this, note] {
      for (NoteListener* listener : listeners_) listener->on_note(note);
    });
  }

  std::shared_ptr<Database> database_;  // the pool's jobs have it, too
  std::vector<NoteListener*> listeners_;
  std::size_t max_bytes_ = 0;
  onward::Pool* pool_ = nullptr;
};

constexpr onward::Parameter kNotesParameters[] = {
    onward::required_parameter<std::string>(
        "file", "where notes are kept, made where it is not there; relative to where the node is started"),
    onward::parameter("max_bytes", 65'536, "of a note, with its title").unit("bytes").range(1, 16'777'216),
};

}  // namespace

ONWARD_MODULE(notes, .version = "1.0", .summary = "keeps notes in a file", .create = onward::make_module<NotesModule>,
              .parameters = kNotesParameters, .provides = {"note_store"});

}  // namespace example
