// SPDX-License-Identifier: Apache-2.0
#include "search/folder_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

namespace onward::search {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FolderSearchTest : public testing::Test {
 protected:
  FolderSearchTest() {
    std::string name = (fs::temp_directory_path() / "onward-search-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~FolderSearchTest() override { fs::remove_all(folder_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file, std::ios::binary) << text;
  }
  [[nodiscard]] FolderOptions options() const { return {.folder = folder_.string()}; }
  [[nodiscard]] static SearchResult search(const FolderOptions& options, const std::string& pattern,
                                           std::int64_t limit = 100) {
    return FolderSearch("s", options).search(pattern, limit);
  }
  [[nodiscard]] static std::vector<std::string> places(const SearchResult& result) {
    std::vector<std::string> places;
    for (const Hit& hit : result.hits) places.push_back(hit.file + ":" + std::to_string(hit.line));
    return places;
  }

  fs::path folder_;
};

TEST_F(FolderSearchTest, FindsLinesInTheOrderOfPaths) {
  write("b.txt", "x\n\nx");
  write("a/z", "x");
  write("a.txt", "x");
  write("a/b/c", "y\nx");
  write("a0", "x");
  const SearchResult result = search(options(), "x");
  EXPECT_THAT(places(result), ElementsAre("a.txt:1", "a/b/c:2", "a/z:1", "a0:1", "b.txt:1", "b.txt:3"));
  EXPECT_EQ(result.hits[0].shard, "s");
  EXPECT_EQ(result.hits[0].text, "x");
  EXPECT_EQ(result.files_searched, 5);
  EXPECT_EQ(result.files_skipped, 0);
  EXPECT_FALSE(result.truncated);
}

TEST_F(FolderSearchTest, Limit) {
  write("a", "x\nx\n");
  write("b", "x\n");
  EXPECT_THAT(places(search(options(), "x", 2)), ElementsAre("a:1", "a:2"));
  EXPECT_TRUE(search(options(), "x", 2).truncated);
  EXPECT_FALSE(search(options(), "x", 3).truncated);
  EXPECT_THAT(search(options(), "x", INT64_MAX).hits, SizeIs(3));
}

TEST_F(FolderSearchTest, SkipsWhatIsNoText) {
  write("binary", std::string("x\0x", 3));
  write("late", std::string(300'000, 'x') + '\0');
  write("large", std::string(1'000'001, 'x'));
  write("empty", "");
  write("text", "x");
  FolderOptions small = options();
  small.max_file_bytes = 1'000'000;
  const SearchResult result = search(small, "x");
  EXPECT_THAT(places(result), ElementsAre("text:1"));
  EXPECT_EQ(result.files_searched, 2);
  EXPECT_EQ(result.files_skipped, 3);
  EXPECT_THAT(result.unread, IsEmpty());
}

TEST_F(FolderSearchTest, DoesNotFollowLinksNorWaitForPipes) {
  write("real/file", "x");
  fs::create_directory_symlink(folder_, folder_ / "real/loop");
  fs::create_symlink(folder_ / "real/file", folder_ / "link");
  fs::create_symlink("nowhere", folder_ / "dangling");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(places(search(options(), "x")), ElementsAre("real/file:1"));
}

TEST_F(FolderSearchTest, FolderItselfMayBeALink) {
  write("real/file", "x");
  fs::create_directory_symlink(folder_ / "real", folder_ / "link");
  EXPECT_THAT(places(search({.folder = folder_ / "link"}, "x")), ElementsAre("file:1"));
}

TEST_F(FolderSearchTest, ReportsWhatItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write("a", "x");
  write("b/c", "x");
  write("d", "x");
  fs::permissions(folder_ / "a", fs::perms::none);
  fs::permissions(folder_ / "b", fs::perms::none);
  const SearchResult result = search(options(), "x");
  fs::permissions(folder_ / "b", fs::perms::owner_all);
  EXPECT_THAT(places(result), ElementsAre("d:1"));
  ASSERT_THAT(result.unread, SizeIs(2));
  EXPECT_EQ(result.unread[0].file, "a");
  EXPECT_EQ(result.unread[1].file, "b");
  EXPECT_THAT(result.unread[1].error, HasSubstr("ermission"));
  EXPECT_EQ(result.files_skipped, 2);
}

TEST_F(FolderSearchTest, DepthIsBounded) {
  std::string path;
  for (std::size_t i = 0; i <= FolderSearch::kMaxDepth; ++i) path += "d/";
  write(path + "file", "x");
  const SearchResult result = search(options(), "x");
  EXPECT_THAT(result.hits, IsEmpty());
  ASSERT_THAT(result.unread, SizeIs(1));
  EXPECT_THAT(result.unread[0].error, HasSubstr("too deep"));
}

TEST_F(FolderSearchTest, NumberOfEntriesIsBounded) {
  for (const char* name : {"a", "b", "c", "d/e", "d/f"}) write(name, "x");
  FolderOptions few = options();
  few.max_files = 3;
  const SearchResult result = search(few, "x");
  EXPECT_TRUE(result.truncated);
  EXPECT_LE(result.hits.size(), 3U);
  ASSERT_THAT(result.unread, SizeIs(1));
  EXPECT_THAT(result.unread[0].error, HasSubstr("max_files"));
}

TEST_F(FolderSearchTest, PartsDivideTheFiles) {
  for (int i = 0; i < 50; ++i) write("d" + std::to_string(i % 3) + "/" + std::to_string(i), "x");
  std::multiset<std::string> all;
  for (std::uint64_t part = 1; part <= 3; ++part) {
    FolderOptions third = options();
    third.part = part;
    third.parts = 3;
    const auto found = places(search(third, "x"));
    EXPECT_THAT(found, testing::Not(IsEmpty()));
    all.insert(found.begin(), found.end());
  }
  const auto whole = places(search(options(), "x"));
  EXPECT_EQ(all, std::multiset<std::string>(whole.begin(), whole.end()));
}

TEST_F(FolderSearchTest, NamesAndLinesAreUtf8) {
  write("n\xFF", "x\xFF");
  const SearchResult result = search(options(), "x");
  ASSERT_THAT(result.hits, SizeIs(1));
  EXPECT_EQ(result.hits[0].file, "n\xEF\xBF\xBD");
  EXPECT_EQ(result.hits[0].text, "x\xEF\xBF\xBD");
}

TEST_F(FolderSearchTest, FolderThatIsNotThere) {
  const auto code_of = [](const auto& function) {
    try {
      function();
    } catch (const RpcError& error) {
      return error.code();
    }
    return StatusCode::kOk;
  };
  EXPECT_EQ(code_of([&] { FolderSearch("s", {.folder = folder_ / "none"}); }), StatusCode::kNotFound);
  write("file", "x");
  EXPECT_EQ(code_of([&] { FolderSearch("s", {.folder = folder_ / "file"}); }), StatusCode::kNotFound);
  fs::create_directory(folder_ / "gone");
  const FolderSearch search("s", {.folder = folder_ / "gone"});
  fs::remove(folder_ / "gone");
  EXPECT_EQ(code_of([&] { static_cast<void>(search.search("x", 1)); }), StatusCode::kNotFound);
}

TEST_F(FolderSearchTest, StoppedSearchesEnd) {
  write("a", "x");
  FolderSearch search("s", options());
  search.stop();
  const SearchResult result = search.search("x", 1);
  EXPECT_TRUE(result.truncated);
  EXPECT_THAT(result.hits, IsEmpty());
}

TEST_F(FolderSearchTest, TimeIsLimited) {
  write("a", "x");
  FolderOptions none = options();
  none.time_limit = Duration::zero();
  EXPECT_TRUE(search(none, "x").truncated);
}

// Files and folders come, go, grow and change their kind while they are searched.
TEST_F(FolderSearchTest, FolderMayChangeMeanwhile) {
  write("always", "x");
  std::atomic<bool> done{false};
  std::thread changes([&] {
    for (int i = 0; !done; ++i) {
      const std::string name = "d" + std::to_string(i % 7);
      std::error_code ignored;
      fs::remove_all(folder_ / name, ignored);
      if (i % 3 == 0) {
        write(name, std::string(static_cast<std::size_t>(i % 5) * 50'000, 'y') + "x\n");
      } else if (i % 3 == 1) {
        write(name + "/f", "x\n");
      } else {
        fs::create_symlink(folder_, folder_ / name, ignored);
      }
    }
  });
  const FolderSearch search("s", options());
  for (int i = 0; i < 200; ++i) {
    const SearchResult result = search.search("x", 100);
    EXPECT_THAT(places(result), testing::Contains("always:1"));
    EXPECT_THAT(result.unread, IsEmpty());
  }
  done = true;
  changes.join();
}

TEST(CheckQuery, Bounds) {
  EXPECT_EQ(check_query("x", 1), 1U);
  EXPECT_EQ(check_query("x", INT64_MAX), kMaxHits);
  EXPECT_NO_THROW(static_cast<void>(check_query(std::string(kMaxPatternBytes, 'x'), 1)));
  EXPECT_THROW(static_cast<void>(check_query("", 1)), RpcError);
  EXPECT_THROW(static_cast<void>(check_query("x", 0)), RpcError);
  EXPECT_THROW(static_cast<void>(check_query("x", -1)), RpcError);
  EXPECT_THROW(static_cast<void>(check_query("x\ny", 1)), RpcError);
  EXPECT_THROW(static_cast<void>(check_query(std::string(kMaxPatternBytes + 1, 'x'), 1)), RpcError);
}

}  // namespace
}  // namespace onward::search
