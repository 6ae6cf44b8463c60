// SPDX-License-Identifier: Apache-2.0
#include "database.h"

#include <sqlite3.h>

#include "onward/status.h"

namespace example {
namespace {

using onward::RpcError;
using onward::StatusCode;

// How long to wait for another process that has the file.
constexpr int kBusyTimeoutMs = 2000;

}  // namespace

// A command with its arguments, ?1, ?2 and so on.
class Database::Statement {
 public:
  Statement(Database& database, const char* command) : database_(database) {
    if (::sqlite3_prepare_v2(database.sqlite_, command, -1, &statement_, nullptr) != SQLITE_OK) {
      database.fail("cannot read or write notes");
    }
  }
  ~Statement() { ::sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // The text must live as long as the statement.
  Statement& bind(int number, const std::string& text) {
    check(::sqlite3_bind_text64(statement_, number, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
  }
  Statement& bind(int number, std::int64_t value) {
    check(::sqlite3_bind_int64(statement_, number, value));
    return *this;
  }
  // False behind the last row.
  bool next() {
    const int result = ::sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) database_.fail("cannot read or write notes");
    return result == SQLITE_ROW;
  }
  [[nodiscard]] std::string text(int column) {
    const auto* bytes = static_cast<const char*>(::sqlite3_column_blob(statement_, column));
    return bytes == nullptr ? ""
                            : std::string(bytes, static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column)));
  }

 private:
  void check(int result) {
    if (result != SQLITE_OK) database_.fail("cannot read or write notes");
  }

  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

Database::Database(const std::string& file) : file_(file) {
  try {
    if (::sqlite3_open(file.c_str(), &sqlite_) != SQLITE_OK) fail("cannot open it; may this user write there?");
    ::sqlite3_busy_timeout(sqlite_, kBusyTimeoutMs);
    Statement(*this, "CREATE TABLE IF NOT EXISTS notes(title TEXT PRIMARY KEY, text TEXT NOT NULL)").next();
  } catch (...) {
    ::sqlite3_close(sqlite_);
    throw;
  }
}

Database::~Database() { ::sqlite3_close(sqlite_); }

void Database::put(const Note& note) {
  const std::lock_guard lock(mutex_);
  Statement(*this, "INSERT OR REPLACE INTO notes VALUES(?1, ?2)").bind(1, note.title).bind(2, note.text).next();
}

Note Database::get(const std::string& title) {
  const std::lock_guard lock(mutex_);
  Statement select(*this, "SELECT text FROM notes WHERE title = ?1");
  if (!select.bind(1, title).next()) throw RpcError(StatusCode::kNotFound, "there is no note \"" + title + "\"");
  return {title, select.text(0)};
}

bool Database::remove(const std::string& title) {
  const std::lock_guard lock(mutex_);
  Statement(*this, "DELETE FROM notes WHERE title = ?1").bind(1, title).next();
  return ::sqlite3_changes(sqlite_) > 0;
}

std::vector<Note> Database::find(const std::string& word, std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  Statement select(*this,
                   "SELECT title, text FROM notes WHERE instr(title, ?1) OR instr(text, ?1) ORDER BY title LIMIT ?2");
  select.bind(1, word).bind(2, limit);
  std::vector<Note> notes;
  while (select.next()) notes.push_back({select.text(0), select.text(1)});
  return notes;
}

void Database::fail(const std::string& what) {
  const std::string reason = sqlite_ == nullptr ? "no memory" : ::sqlite3_errmsg(sqlite_);
  throw RpcError(StatusCode::kUnavailable, file_ + ": " + what + " (" + reason + ")");
}

}  // namespace example
