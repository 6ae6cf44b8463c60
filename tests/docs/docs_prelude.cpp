// SPDX-License-Identifier: Apache-2.0
//
// Stands for all blocks of the pages: they are compiled with the flags of this file, and linked with the
// library that it is in.
#include "docs_prelude.h"
