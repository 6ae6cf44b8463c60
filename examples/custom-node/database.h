// SPDX-License-Identifier: Apache-2.0
//
// Notes in a file of SQLite.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "note_store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace example {

// All of it blocks: for threads of the pool. Any thread, one at a time; others wait. Throws RpcError: UNAVAILABLE with
// the file's name and what SQLite says, beside what is said below.
class Database {
 public:
  // Makes the file if it is not there. ":memory:" is a database without a file.
  explicit Database(const std::string& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // In the place of a note that has the same title.
  void put(const Note& note);
  // NOT_FOUND.
  [[nodiscard]] Note get(const std::string& title);
  // False if there was none.
  bool remove(const std::string& title);
  // The first `limit` notes, by title, that have `word` in title or text.
  [[nodiscard]] std::vector<Note> find(const std::string& word, std::int64_t limit);

 private:
  class Statement;
  [[noreturn]] void fail(const std::string& what);

  std::mutex mutex_;
  std::string file_;
  sqlite3* sqlite_ = nullptr;
};

}  // namespace example
