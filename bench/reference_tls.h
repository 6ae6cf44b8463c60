// A reference's bytes under TLS 1.3 with TLS_AES_128_GCM_SHA256, by OpenSSL on a non-blocking socket. The server's
// certificate is made when it is first needed, and nobody verifies it.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <span>

#include "reference_channel.h"

namespace onward::bench {

// As PlainChannel. The client's handshake is over when it is constructed, the server's happens inside receive().
class TlsChannel {
 public:
  TlsChannel(Socket socket, Side side);

  [[nodiscard]] const Socket& socket() const { return socket_; }
  [[nodiscard]] int fd() const { return socket_.fd(); }

  // Takes as many records as have arrived whole.
  [[nodiscard]] ssize_t receive(std::span<char> into);
  [[nodiscard]] ssize_t send(std::span<const char> from);
  [[nodiscard]] bool holds_input() const { return holds_input_; }
  void end_output();

 private:
  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  void shake_hands();
  ssize_t failed(int result);

  Socket socket_;
  std::unique_ptr<SSL, Deleter> ssl_;
  bool holds_input_ = false;  // a whole record, or the end
};

}  // namespace onward::bench
