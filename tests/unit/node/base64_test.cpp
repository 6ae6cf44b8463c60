// SPDX-License-Identifier: Apache-2.0
#include "base64.h"

#include <gtest/gtest.h>

namespace onward {
namespace {

std::string encode(std::string_view text) { return to_base64(std::as_bytes(std::span(text))); }

std::string decode(std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes) return "(refused)";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

// RFC 4648, section 10.
TEST(Base64, TestVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(encode(plain), encoded);
    EXPECT_EQ(decode(encoded), plain);
  }
}

TEST(Base64, EveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(decode(encode(all)), all);
}

TEST(Base64, PaddingMayBeMissing) {
  EXPECT_EQ(decode("Zg"), "f");
  EXPECT_EQ(decode("Zm8"), "fo");
}

TEST(Base64, Refused) {
  for (const char* text : {"Z", "Zg=", "Zg===", "====", "=", "Zm9v!", "Zm 9v", "Zg==Zg==", "Z===", "Zm9vY"}) {
    EXPECT_EQ(decode(text), "(refused)") << text;
  }
}

}  // namespace
}  // namespace onward
