// SPDX-License-Identifier: Apache-2.0
#include "onward/exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loop_fixture.h"
#include "onward/future.h"
#include "onward/value.h"

namespace onward::demo {

struct SoldOut : std::runtime_error {
  using std::runtime_error::runtime_error;
};
ONWARD_EXCEPTION(SoldOut, StatusCode::kFailedPrecondition)

struct SeatsTaken : std::exception {
  std::vector<std::string> rows;
  [[nodiscard]] const char* what() const noexcept override { return "seats are taken"; }
};
ONWARD_MEMBERS(SeatsTaken, rows)
ONWARD_EXCEPTION(SeatsTaken)

// No std::exception.
struct Bare {
  int number = 0;
};
ONWARD_MEMBERS(Bare, number)
ONWARD_EXCEPTION(Bare, StatusCode::kAborted, "shop.Bare")

class SqlError : public std::runtime_error {
 public:
  SqlError(int code, const std::string& text) : std::runtime_error(text), number(code) {}
  int number;
};

struct Booking : RpcError {
  using RpcError::RpcError;
};
ONWARD_EXCEPTION(Booking)

struct SoldOutToday : SoldOut {
  using SoldOut::SoldOut;
};
struct NotRegistered : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace onward::demo

namespace onward {
namespace {

using test::thrown_by;
using ::testing::HasSubstr;

template <class E>
Status captured(E error) {
  return thrown_by([&] { throw std::move(error); });
}

demo::SeatsTaken seats_taken() {
  demo::SeatsTaken error;
  error.rows = {"A", "B"};
  return error;
}

TEST(Exception, OneMadeFromAStringKeepsMessageTypeAndCode) {
  const Status status = captured(demo::SoldOut("no tickets"));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "no tickets");
  EXPECT_EQ(status.type(), "onward::demo::SoldOut");
  try {
    status.throw_if_error();
    ADD_FAILURE();
  } catch (const demo::SoldOut& error) {
    EXPECT_STREQ(error.what(), "no tickets");
  }
}

TEST(Exception, OneWithMembersTravelsWhole) {
  const Status status = captured(seats_taken());
  EXPECT_EQ(status.code(), StatusCode::kUnknown);
  EXPECT_EQ(status.message(), "seats are taken");
  EXPECT_THAT(status.to_string(), HasSubstr("detail SeatsTaken: {\"rows\": [\"A\", \"B\"]}"));
  try {
    status.throw_if_error();
    ADD_FAILURE();
  } catch (const demo::SeatsTaken& error) {
    EXPECT_EQ(error.rows, seats_taken().rows);
  }
}

TEST(Exception, IsCaughtAsStdExceptionToo) {
  for (const Status& status : {captured(demo::SoldOut("x")), captured(seats_taken()), captured(demo::Bare{7}),
                               captured(demo::Booking(StatusCode::kNotFound, "x"))}) {
    try {
      status.throw_if_error();
      ADD_FAILURE();
    } catch (const std::exception& error) {
      EXPECT_NE(dynamic_cast<const StatusCarrier*>(&error), nullptr) << status.type();
    }
  }
}

TEST(Exception, OneThatIsNoStdExceptionHasItsNameForAMessage) {
  const Status status = captured(demo::Bare{7});
  EXPECT_EQ(status.to_string(), "ABORTED: shop.Bare was thrown [shop.Bare]\n    detail Bare: {\"number\": 7}");
  try {
    status.throw_if_error();
    ADD_FAILURE();
  } catch (const demo::Bare& error) {
    EXPECT_EQ(error.number, 7);
  }
}

TEST(Exception, APairOfFunctionsMakesAndReadsWhatTravels) {
  const auto write = [](const demo::SqlError& error) { return error.number; };
  const auto read = [](const Status& status, int number) { return demo::SqlError(number, status.message()); };
  ASSERT_TRUE(register_exception<demo::SqlError>(write, read, StatusCode::kInternal).ok());
  const Status status = captured(demo::SqlError(1205, "lock wait timeout"));
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(status.detail<int>(), 1205);
  try {
    throw_error(status);
  } catch (const demo::SqlError& error) {
    EXPECT_EQ(error.number, 1205);
    EXPECT_STREQ(error.what(), "lock wait timeout");
  }
}

TEST(Exception, OneDerivedFromRpcErrorKeepsItsOwnStatus) {
  const Status status = captured(demo::Booking(Status(StatusCode::kNotFound, "no such show").with_detail(9)));
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  try {
    status.throw_if_error();
    ADD_FAILURE();
  } catch (const demo::Booking& error) {
    EXPECT_EQ(error.status().to_string(), status.to_string());
    EXPECT_EQ(error.status().detail<int>(), 9);
  }
}

TEST(Exception, WhatIsThrownOnKeepsTrailCodeAndDetail) {
  for (const Status& first : {captured(demo::SoldOut("x")), captured(seats_taken()), captured(demo::Bare{7}),
                              captured(demo::Booking(StatusCode::kNotFound, "x"))}) {
    const Status far = first.with_hop({"c", "book", ""}).with_hop({"b", "relay", "for a"});
    EXPECT_EQ(thrown_by([&] { far.throw_if_error(); }).to_string(), far.to_string());
    const Status again = thrown_by([&] {
      try {
        far.throw_if_error();
      } catch (const std::exception&) {
        throw;
      }
    });
    EXPECT_EQ(again.to_string(), far.to_string());
  }
}

TEST(Exception, OneThatIsNotRegisteredIsAnRpcError) {
  const Status status = captured(demo::NotRegistered("x"));
  EXPECT_EQ(status.code(), StatusCode::kUnknown);
  EXPECT_THROW(status.throw_if_error(), RpcError);
  EXPECT_THROW(captured(std::out_of_range("far")).throw_if_error(), RpcError);
}

TEST(Exception, OneWhoseDetailCannotBeReadIsAnRpcError) {
  const Status status = Status(StatusCode::kAborted, "x").with_type("onward::demo::SeatsTaken");
  EXPECT_THROW(status.throw_if_error(), RpcError);
  EXPECT_THROW(status.with_detail(1).throw_if_error(), RpcError);
  EXPECT_THROW(status.with_encoded_detail("SeatsTaken", Buffer::copy_of("\xFF\xFF\xFF")).throw_if_error(), RpcError);
}

TEST(Exception, ABaseStandsForWhatIsDerived) {
  const Status status = captured(demo::SoldOutToday("until tomorrow"));
  EXPECT_EQ(status.type(), "onward::demo::SoldOut");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THROW(status.throw_if_error(), demo::SoldOut);
}

TEST(Exception, AFutureThrowsItToo) {
  EXPECT_THROW(static_cast<void>(Future<int>::failed(captured(seats_taken())).value()), demo::SeatsTaken);
  EXPECT_THROW(Future<int>::failed(captured(demo::SoldOut("x"))).wait(), demo::SoldOut);
  Future<int> future;
  future.mark_error(std::make_exception_ptr(demo::SoldOut("x")));
  EXPECT_THROW(static_cast<void>(future.value()), demo::SoldOut);
  EXPECT_EQ(future.status().code(), StatusCode::kFailedPrecondition);
}

struct Twice : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Other : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST(Exception, ATypeHasOneNameAndANameOneType) {
  EXPECT_TRUE(register_exception<Twice>(StatusCode::kAborted, "shop.Twice").ok());
  EXPECT_TRUE(register_exception<Twice>(StatusCode::kInternal, "shop.Twice").ok());
  EXPECT_EQ(captured(Twice("x")).code(), StatusCode::kAborted);
  const Status renamed = register_exception<Twice>(StatusCode::kAborted, "shop.Thrice");
  EXPECT_EQ(renamed.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(renamed.message(), HasSubstr("is registered already, as \"shop.Twice\""));
  const Status taken = register_exception<Other>(StatusCode::kAborted, "shop.Twice");
  EXPECT_EQ(taken.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(taken.message(), HasSubstr("give it another name"));
  EXPECT_EQ(captured(Other("x")).code(), StatusCode::kUnknown);
}

struct Angry : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST(Exception, AFunctionThatThrowsInsteadOfDescribingIsLogged) {
  const test::LogLines lines;
  const auto write = [](const Angry&) -> int { throw std::logic_error("cannot say"); };
  ASSERT_TRUE(register_exception<Angry>(write, [](const Status&, int) { return Angry("x"); }).ok());
  const Status status = captured(Angry("very"));
  EXPECT_EQ(status.to_string(), "UNKNOWN: very [onward::(anonymous namespace)::Angry]");
  EXPECT_EQ(lines.count("cannot say"), 1U) << lines.text();
}

template <int kNumber>
struct Numbered : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <int kNumber>
void register_and_throw() {
  for (int round = 0; round < 1'000; ++round) {
    ASSERT_TRUE(register_exception<Numbered<kNumber>>(StatusCode::kAborted).ok());
    ASSERT_THROW(captured(Numbered<kNumber>("x")).throw_if_error(), Numbered<kNumber>);
  }
}

TEST(Exception, ManyThreadsRegisterAndThrow) {
  std::vector<std::thread> threads;
  threads.emplace_back(register_and_throw<1>);
  threads.emplace_back(register_and_throw<2>);
  threads.emplace_back(register_and_throw<2>);
  threads.emplace_back(register_and_throw<3>);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace onward
