// SPDX-License-Identifier: Apache-2.0
//
// What every transport must do, of the one in deflate.so.
#include "loaded.h"
#include "onward/testing/transport_conformance.h"

ONWARD_TRANSPORT_CONFORMANCE(Deflate, example::deflate_under_test());
