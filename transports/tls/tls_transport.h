// SPDX-License-Identifier: Apache-2.0
//
// tls://HOST:PORT: frames within TLS, between nodes that prove to each other who they are. URLs are as
// internet_transport.h has them.
//
// A node that is connected to by its name proves that name; by a URL alone, the URL's host. What fails says
// so: UNAUTHENTICATED where a certificate is not accepted, FAILED_PRECONDITION where the peer speaks no TLS, another
// version or another protocol, UNAVAILABLE where the network fails.
#pragma once

#include <memory>

#include "stream/internet_transport.h"
#include "tls/tls_options.h"

namespace onward {

// Files that cannot be used are an error of check(), connect() and listen(): FAILED_PRECONDITION with the file, what
// is wrong with it, and what to do. `loop` must outlive the transport and what it makes.
[[nodiscard]] std::unique_ptr<Transport> make_tls_transport(EventLoop& loop, const MessageLimits& limits = {},
                                                            TlsOptions tls = {}, TcpOptions tcp = {});

}  // namespace onward
