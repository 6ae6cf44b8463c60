// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL's objects, owned; and what it throws: nothing but the want of memory.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <new>

namespace onward {

template <auto kFree>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using BioHandle = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using BioMethodHandle = std::unique_ptr<BIO_METHOD, OpensslFree<BIO_meth_free>>;
using CertificateHandle = std::unique_ptr<X509, OpensslFree<X509_free>>;
using CrlHandle = std::unique_ptr<X509_CRL, OpensslFree<X509_CRL_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using SessionHandle = std::unique_ptr<SSL_SESSION, OpensslFree<SSL_SESSION_free>>;
using SslContextHandle = std::unique_ptr<SSL_CTX, OpensslFree<SSL_CTX_free>>;
using SslHandle = std::unique_ptr<SSL, OpensslFree<SSL_free>>;

// What a function of OpenSSL returned that fails for want of memory alone.
template <class T>
[[nodiscard]] T* or_no_memory(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

}  // namespace onward
