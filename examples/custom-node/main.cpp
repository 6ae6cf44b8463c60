// SPDX-License-Identifier: Apache-2.0
//
// notes-node: a node binary with two modules of its own, and the commands of `onward`.
#include "onward/module.h"
#include "onward/program.h"

ONWARD_LINKED_MODULE(notes);
ONWARD_LINKED_MODULE(watch);

int main(int argc, char** argv) {
  return onward::run_program(argc, argv,
                             {.name = "notes-node",
                              .version = "1.0",
                              .summary = "a node that keeps notes and tells who waits for them",
                              .modules = {&onward_module_notes, &onward_module_watch}});
}
