// SPDX-License-Identifier: Apache-2.0
//
// What the modules of this node share: a note, and the service that tells of new ones. Who only includes this knows
// nothing of SQLite, and works with any module that provides the service.
#pragma once

#include <string>

#include "onward/services.h"
#include "onward/value.h"

namespace example {

struct Note {
  std::string title;
  std::string text;
};
ONWARD_MEMBERS(Note, title, text)

class NoteListener {
 public:
  // A note has been stored. Kernel thread.
  virtual void on_note(const Note& note) = 0;

 protected:
  ~NoteListener() = default;
};

// Kernel thread only.
class NoteStore {
 public:
  static constexpr onward::ServiceName kService{"note_store", 1};

  virtual ~NoteStore() = default;
  // `listener` is told of every note from now on, until it is removed.
  virtual void add(NoteListener& listener) = 0;
  virtual void remove(NoteListener& listener) = 0;
};

}  // namespace example
