// SPDX-License-Identifier: Apache-2.0
//
// A node binary with all commands of `onward`, configured by files, and as little else as can be: one transport, one
// codec, and its own module.
#include "onward/module.h"
#include "onward/program.h"

ONWARD_LINKED_MODULE(flex);
ONWARD_LINKED_MODULE(greeter);
ONWARD_LINKED_MODULE(tcp);

int main(int argc, char** argv) {
  return onward::run_minimal_program(argc, argv,
                                     {.name = "smallest",
                                      .version = "1.0",
                                      .summary = "a node that greets",
                                      .modules = {&onward_module_tcp, &onward_module_flex, &onward_module_greeter}});
}
