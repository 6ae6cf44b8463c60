// SPDX-License-Identifier: Apache-2.0
#include "module_list.h"
#include "onward/program.h"

int main(int argc, char** argv) {
  return onward::run_program(argc, argv,
                             {.name = "onward",
                              .version = ONWARD_VERSION,
                              .summary = "RPC between nodes, for functions that answer later",
                              .modules = onward::standard_modules()});
}
