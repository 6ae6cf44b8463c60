// SPDX-License-Identifier: Apache-2.0
#include "tls/tls_stream.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tls/certificate_names.h"
#include "tls/tls_errors.h"

namespace onward {
namespace {

using Outcome = IoResult::Outcome;

// The most that a record is, and beside it a message of TLS's own.
constexpr std::size_t kRecordRoomBytes = SSL3_RT_MAX_PACKET_SIZE + 256;
// The first two bytes of a handshake record, whatever the version.
constexpr std::byte kHandshakeRecord{0x16};
constexpr std::byte kAlertRecord{0x15};
constexpr std::byte kMajorVersion{3};
// An alert that needs no handshake before it: protocol_version.
constexpr std::array kPlainAlert{kAlertRecord,
                                 kMajorVersion,
                                 std::byte{3},
                                 std::byte{0},
                                 std::byte{2},
                                 std::byte{2},
                                 std::byte{SSL_AD_PROTOCOL_VERSION}};

// What is to be written, cut into records.
class RecordCutter {
 public:
  explicit RecordCutter(std::span<const iovec> from) : from_(from) { skip_empty(); }

  [[nodiscard]] bool empty() const noexcept { return from_.empty(); }
  // The next record's bytes: from where they lie if they lie together, else joined in `scratch`.
  std::span<const std::byte> next(std::span<std::byte, TlsStream::kRecordBytes> scratch) const {
    const std::span<const std::byte> first = front();
    if (first.size() >= scratch.size()) return first.first(scratch.size());
    if (from_.size() == 1) return first;
    std::size_t joined = 0;
    std::size_t offset = offset_;
    for (const iovec& span : from_) {
      const std::size_t some = std::min(span.iov_len - offset, scratch.size() - joined);
      if (some > 0) std::memcpy(scratch.data() + joined, static_cast<const std::byte*>(span.iov_base) + offset, some);
      joined += some;
      offset = 0;
      if (joined == scratch.size()) break;
    }
    return scratch.first(joined);
  }
  void skip(std::size_t bytes) {
    while (bytes > 0) {
      const std::size_t some = std::min(bytes, from_.front().iov_len - offset_);
      bytes -= some;
      offset_ += some;
      skip_empty();
    }
  }

 private:
  [[nodiscard]] std::span<const std::byte> front() const {
    return {static_cast<const std::byte*>(from_.front().iov_base) + offset_, from_.front().iov_len - offset_};
  }
  void skip_empty() {
    while (!from_.empty() && offset_ == from_.front().iov_len) {
      from_ = from_.subspan(1);
      offset_ = 0;
    }
  }

  std::span<const iovec> from_;
  std::size_t offset_ = 0;  // in the first span
};

}  // namespace

void TlsStream::Queue::take_block(std::size_t bytes) {
  if (block.empty()) block = Buffer::allocate(bytes);
}

void TlsStream::Queue::give_back() {
  block = Buffer();
  begin = end = 0;
}

TlsStream::TlsStream(std::unique_ptr<ByteStream> below, TlsParty party)
    : below_(std::move(below)), party_(std::move(party)), ssl_(party_.context->make_ssl(party_)) {
  BIO* bio = or_no_memory(BIO_new(bio_method()));
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::~TlsStream() = default;

// Who connects speaks first, also when there is nothing to say yet.
std::unique_ptr<StreamWatcher> TlsStream::watch(EventLoop& loop, void* context, IoWatcher::Callback on_readable,
                                                IoWatcher::Callback on_writable) {
  if (!party_.accepted) static_cast<void>(establish());
  return below_->watch(loop, context, on_readable, on_writable);
}

IoResult TlsStream::read(std::span<const iovec> into) {
  if (IoResult waits = establish(); waits.outcome != Outcome::kDone) return waits;
  // What TLS itself has to say; bytes from above are write()'s.
  if (!output_.empty() && unreported_ == 0) {
    IoResult left = flush();
    holds_input_ = holds_input_ && left.outcome != Outcome::kWantWrite;
    if (left.outcome == Outcome::kWantWrite && ends_output_) return left;
  }
  below_is_empty_ = false;
  std::size_t done = 0;
  for (const iovec& span : into) {
    for (std::size_t filled = 0; filled < span.iov_len;) {
      std::size_t got = 0;
      ERR_clear_error();
      const int result =
          SSL_read_ex(ssl_.get(), static_cast<std::byte*>(span.iov_base) + filled, span.iov_len - filled, &got);
      filled += got;
      done += got;
      if (result == 1) continue;
      IoResult stopped = outcome_of(result);
      // An end or an error is told when what came before it has been taken.
      holds_input_ = done > 0 && (stopped.outcome == Outcome::kEnd || stopped.outcome == Outcome::kFailed);
      if (input_.empty()) input_.give_back();
      return done > 0 ? IoResult{.bytes = done} : stopped;
    }
  }
  holds_input_ = !input_.empty() || SSL_has_pending(ssl_.get()) == 1;
  if (input_.empty()) input_.give_back();
  return {.bytes = done};
}

IoResult TlsStream::write(std::span<const iovec> from) {
  if (IoResult waits = establish(); waits.outcome != Outcome::kDone) return waits;
  if (IoResult left = flush(); left.outcome != Outcome::kDone) return left;
  RecordCutter records(from);
  std::size_t done = std::exchange(unreported_, 0);
  records.skip(done);
  while (!records.empty()) {
    std::size_t batch = 0;
    std::array<std::byte, kRecordBytes> scratch;
    while (!records.empty() && has_room_for_record()) {
      const std::span<const std::byte> record = records.next(scratch);
      std::size_t taken = 0;
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_.get(), record.data(), record.size(), &taken);
      if (result != 1) {
        IoResult stopped = outcome_of(result);
        if (stopped.outcome != Outcome::kWantWrite) return stopped;
        break;
      }
      records.skip(taken);
      batch += taken;
    }
    IoResult left = flush();
    if (left.outcome == Outcome::kDone) {
      done += batch;
      continue;
    }
    unreported_ = batch;
    return left.outcome == Outcome::kWantWrite && done > 0 ? IoResult{.bytes = done} : left;
  }
  return {.bytes = done};
}

bool TlsStream::has_room_for_record() const noexcept {
  return output_.block.empty() || output_.room() >= kRecordRoomBytes;
}

void TlsStream::end_output() noexcept {
  ERR_clear_error();
  if (established_ && failure_.ok()) SSL_shutdown(ssl_.get());
  ends_output_ = true;
  // Where that must wait, reading goes on with it.
  holds_input_ |= flush().outcome == Outcome::kWantWrite;
}

IoResult TlsStream::flush() {
  while (!output_.empty()) {
    const iovec rest{.iov_base = output_.block.mutable_data() + output_.begin, .iov_len = output_.end - output_.begin};
    IoResult result = below_->write({&rest, 1});
    if (result.outcome != Outcome::kDone) return result;
    output_.begin += result.bytes;
    if (result.bytes < rest.iov_len) return {.outcome = Outcome::kWantWrite};
  }
  output_.give_back();
  if (std::exchange(ends_output_, false)) below_->end_output();
  return {};
}

IoResult TlsStream::establish() {
  if (!failure_.ok()) return {.outcome = Outcome::kFailed, .error = failure_};
  if (established_) [[likely]]
    return {};
  below_is_empty_ = false;
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return finish_handshake();
    IoResult waits = outcome_of(result);
    if (waits.outcome == Outcome::kFailed) return waits;
    IoResult left = flush();
    if (left.outcome != Outcome::kDone) return left;
    if (waits.outcome == Outcome::kWantRead) {
      if (input_.empty()) input_.give_back();
      return waits;
    }
  }
}

IoResult TlsStream::finish_handshake() {
  const unsigned char* protocol = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &bytes);
  if (std::string_view(reinterpret_cast<const char*>(protocol), bytes) != kTlsProtocol) {
    return fail(wrong_protocol_error());
  }
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate != nullptr && SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE) {
    identity_ = {.names = node_names(certificate), .names_nodes = true};
  }
  established_ = true;
  // What came with the end of the handshake, and readiness tells nothing of.
  holds_input_ = !input_.empty() || SSL_has_pending(ssl_.get()) == 1;
  IoResult left = flush();
  return left.outcome == Outcome::kFailed ? left : IoResult{};
}

IoResult TlsStream::outcome_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {.outcome =
                  output_.empty() || unreported_ > 0 || !established_ ? Outcome::kWantRead : Outcome::kWantWrite};
    case SSL_ERROR_WANT_WRITE:
      return {.outcome = Outcome::kWantWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {.outcome = Outcome::kEnd};
    default:
      break;
  }
  if (!party_.verdict.ok()) return fail(party_.verdict);
  if (!failure_.ok()) return fail(failure_);
  if (below_has_ended_ || !below_error_.ok()) return fail(cut_off());
  return fail(ssl_error(party_.context->options().min_version));
}

IoResult TlsStream::fail(Status error) {
  failure_ = std::move(error);
  ERR_clear_error();
  // The alert that tells the peer why. If it does not fit now, there is nobody to wait for it.
  static_cast<void>(flush());
  return {.outcome = Outcome::kFailed, .error = failure_};
}

Status TlsStream::cut_off() const {
  const std::string when = established_ ? "" : " in the TLS handshake";
  if (!below_error_.ok()) return below_error_.with_message(below_error_.message() + when);
  return {StatusCode::kUnavailable,
          established_ ? "it closed the connection without close_notify: it ended at once, or somebody cut it"
                       : "it closed the connection" + when};
}

bool TlsStream::refill() {
  if (below_is_empty_ || below_has_ended_ || !below_error_.ok() || !failure_.ok()) return false;
  input_.give_back();
  input_.take_block(established_ ? kInputBytes : kHandshakeInputBytes);
  const iovec into{.iov_base = input_.block.mutable_data(), .iov_len = input_.block.size()};
  IoResult result = below_->read({&into, 1});
  below_is_empty_ = result.outcome != Outcome::kDone || result.bytes < into.iov_len;
  below_has_ended_ = result.outcome == Outcome::kEnd;
  below_error_ = std::move(result.error);
  if (result.outcome != Outcome::kDone) return false;
  input_.end = result.bytes;
  if (established_) return true;
  handshake_bytes_ += result.bytes;
  if (handshake_bytes_ > kMaxHandshakeBytes) {
    failure_ = Status(StatusCode::kInvalidArgument,
                      "its TLS handshake has more than " + std::to_string(kMaxHandshakeBytes) + " bytes");
    return false;
  }
  if (std::exchange(seen_first_bytes_, true)) return true;
  const std::span<const std::byte> first(input_.block.data(), result.bytes);
  const bool is_tls =
      (first[0] == kHandshakeRecord || first[0] == kAlertRecord) && (first.size() == 1 || first[1] == kMajorVersion);
  if (is_tls) return true;
  failure_ = no_tls_error(first, party_.accepted);
  if (party_.accepted) put(kPlainAlert);
  return false;
}

bool TlsStream::put(std::span<const std::byte> records) {
  output_.take_block(kOutputBytes);
  if (output_.room() < records.size()) return false;
  std::memcpy(output_.block.mutable_data() + output_.end, records.data(), records.size());
  output_.end += records.size();
  return true;
}

BIO_METHOD* TlsStream::bio_method() {
  static const BioMethodHandle method = [] {
    BioMethodHandle made(or_no_memory(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "onward stream")));
    BIO_meth_set_read(made.get(), bio_read);
    BIO_meth_set_write(made.get(), bio_write);
    BIO_meth_set_ctrl(made.get(), bio_control);
    return made;
  }();
  return method.get();
}

int TlsStream::bio_read(BIO* bio, char* to, int bytes) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  Queue& input = stream.input_;
  BIO_clear_retry_flags(bio);
  if (input.empty() && !stream.refill()) {
    const bool later = !stream.below_has_ended_ && stream.below_error_.ok() && stream.failure_.ok();
    if (later) BIO_set_retry_read(bio);
    return later ? -1 : 0;
  }
  const std::size_t some = std::min(static_cast<std::size_t>(bytes), input.end - input.begin);
  std::memcpy(to, input.block.data() + input.begin, some);
  input.begin += some;
  return static_cast<int>(some);
}

int TlsStream::bio_write(BIO* bio, const char* from, int bytes) {
  BIO_clear_retry_flags(bio);
  const std::span records(from, static_cast<std::size_t>(bytes));
  if (static_cast<TlsStream*>(BIO_get_data(bio))->put(std::as_bytes(records))) return bytes;
  BIO_set_retry_write(bio);
  return -1;
}

long TlsStream::bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace onward
