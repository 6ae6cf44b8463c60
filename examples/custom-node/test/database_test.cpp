// SPDX-License-Identifier: Apache-2.0
#include "database.h"

#include <gtest/gtest.h>

#include <string>

#include "onward/status.h"

namespace example {
namespace {

using onward::RpcError;
using onward::StatusCode;

// Titles, one behind the other.
std::string titles(const std::vector<Note>& notes) {
  std::string all;
  for (const Note& note : notes) all += note.title + " ";
  return all;
}

TEST(Database, KeepsNotes) {
  Database database(":memory:");
  database.put({"shopping", "milk, bread"});
  database.put({"calls", "Ada"});
  database.put({"shopping", "milk, butter"});
  EXPECT_EQ(database.get("shopping").text, "milk, butter");
  EXPECT_TRUE(database.remove("shopping"));
  EXPECT_FALSE(database.remove("shopping"));
  try {
    static_cast<void>(database.get("shopping"));
    FAIL() << "it is still there";
  } catch (const RpcError& error) {
    EXPECT_EQ(error.code(), StatusCode::kNotFound);
  }
}

TEST(Database, FindsWordsInTitlesAndTexts) {
  Database database(":memory:");
  database.put({"b", "the moon"});
  database.put({"moon", ""});
  database.put({"a", "moons"});
  database.put({"c", "the sun"});
  EXPECT_EQ(titles(database.find("moon", 10)), "a b moon ");
  EXPECT_EQ(titles(database.find("moon", 2)), "a b ");
  EXPECT_EQ(titles(database.find("it's \"%_", 10)), "");
}

TEST(Database, ABadFileIsNamed) {
  try {
    const Database database("/no/such/folder/notes.db");
    FAIL() << "it opened";
  } catch (const RpcError& error) {
    EXPECT_EQ(error.code(), StatusCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("/no/such/folder/notes.db: cannot open it"), std::string::npos);
  }
}

}  // namespace
}  // namespace example
