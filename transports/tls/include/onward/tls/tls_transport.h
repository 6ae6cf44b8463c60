// SPDX-License-Identifier: Apache-2.0
//
// tls://HOST:PORT: frames within TLS, between nodes that prove to each other who they are. URLs are as
// tcp_options.h has them.
//
// A node that is connected to by its name proves that name; by a URL alone, the URL's host. What fails says
// so: UNAUTHENTICATED where a certificate is not accepted, FAILED_PRECONDITION where the peer speaks no TLS, another
// version or another protocol, UNAVAILABLE where the network fails.
#pragma once

#include <memory>
#include <string>

#include "onward/event_loop.h"
#include "onward/export.h"
#include "onward/message.h"
#include "onward/stream/tcp_options.h"
#include "onward/tls/tls_options.h"
#include "onward/transport.h"

namespace onward {

// Options that are missing are an error of check(), connect() and listen(); files that cannot be used, of the last
// two: FAILED_PRECONDITION with what is wrong and what to do. `loop` must outlive the transport and what it makes.
[[nodiscard]] ONWARD_API std::unique_ptr<Transport> make_tls_transport(EventLoop& loop,
                                                                       const MessageLimits& limits = {},
                                                                       TlsOptions tls = {}, TcpOptions tcp = {});

// Reads the files as a transport would. FAILED_PRECONDITION as that has it.
[[nodiscard]] ONWARD_API Status check_tls_files(const TlsOptions& options);
// The first node that a certificate is for. FAILED_PRECONDITION with the file and what is wrong with it.
[[nodiscard]] ONWARD_API Result<std::string> first_node_name(const std::string& certificate_file);

}  // namespace onward
