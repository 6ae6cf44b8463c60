// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "onward/buffer.h"
#include "onward/stream/byte_stream.h"
#include "tls/openssl_handle.h"
#include "tls/tls_context.h"

namespace onward {

// TLS over another stream.
//
// OpenSSL reads and writes memory: one read below takes in what many records need, and one write below carries many
// records, so that what is sent in one turn costs one system call. What is written is joined into records of up to
// kRecordBytes. Memory for either is taken when there are bytes and given back when there are none.
//
// Bytes count as written when their records have left, so that above nothing is dropped or ended too early.
class TlsStream final : public ByteStream {
 public:
  static constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;  // 16 KiB
  // Of records that wait to be written below.
  static constexpr std::size_t kOutputBytes = (std::size_t{128} << 10) - 128;
  // Of records that were read and not decrypted; less until it is known who the peer is.
  static constexpr std::size_t kInputBytes = (std::size_t{64} << 10) - 128;
  static constexpr std::size_t kHandshakeInputBytes = (std::size_t{16} << 10) - 128;
  // All that a peer may send before the handshake is over.
  static constexpr std::size_t kMaxHandshakeBytes = std::size_t{256} << 10;

  // The side of a connection that `party` says. Throws std::bad_alloc.
  TlsStream(std::unique_ptr<ByteStream> below, TlsParty party);
  ~TlsStream();

  [[nodiscard]] std::unique_ptr<StreamWatcher> watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                     IoWatcher::Callback on_writable) override;
  [[nodiscard]] IoResult read(std::span<const iovec> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> from) override;
  [[nodiscard]] std::size_t bytes_in_work() const noexcept override {
    return output_.empty() ? 0 : unreported_ + kRecordBytes;
  }
  [[nodiscard]] bool holds_input() const noexcept override { return holds_input_; }
  void end_output() noexcept override;
  // The names in the peer's certificate, once that has been verified.
  [[nodiscard]] PeerIdentity identity() const override { return identity_; }

  // Whether the handshake is over, and took up an earlier session.
  [[nodiscard]] bool is_established() const noexcept { return established_; }
  [[nodiscard]] bool is_resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  // Bytes in order, in a block that is there while they are.
  struct Queue {
    Buffer block;
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] bool empty() const noexcept { return begin == end; }
    [[nodiscard]] std::size_t room() const noexcept { return block.size() - end; }
    void take_block(std::size_t bytes);
    void give_back();
  };

  // Goes on with the handshake; kDone when it is over.
  [[nodiscard]] IoResult establish();
  [[nodiscard]] IoResult finish_handshake();
  // Writes below what is there; kDone when nothing is left.
  [[nodiscard]] IoResult flush();
  // Adds to output_; false if there is no room.
  bool put(std::span<const std::byte> records);
  // Reads below, unless that would bring nothing; false then.
  bool refill();
  // What a call that has failed came to. From here on a failure of TLS is for ever.
  [[nodiscard]] IoResult outcome_of(int result);
  [[nodiscard]] IoResult fail(Status error);
  [[nodiscard]] Status cut_off() const;
  [[nodiscard]] bool has_room_for_record() const noexcept;

  static BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* to, int bytes);
  static int bio_write(BIO* bio, const char* from, int bytes);
  static long bio_control(BIO* bio, int command, long number, void* pointer);

  std::unique_ptr<ByteStream> below_;
  TlsParty party_;
  SslHandle ssl_;
  Queue input_;
  Queue output_;
  std::size_t unreported_ = 0;       // bytes above whose records lie in output_
  std::size_t handshake_bytes_ = 0;  // that have come in so far
  bool established_ = false;
  bool holds_input_ = false;
  bool below_is_empty_ = false;  // for now: the last read below was short
  bool below_has_ended_ = false;
  bool ends_output_ = false;  // when output_ has left
  bool seen_first_bytes_ = false;
  Status below_error_;  // of the last read below
  Status failure_;
  PeerIdentity identity_;
};

}  // namespace onward
