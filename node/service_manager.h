// SPDX-License-Identifier: Apache-2.0
//
// What the service manager that started this process is told of its node: the notifications of systemd, sd_notify(3),
// to the socket that NOTIFY_SOCKET names. Where there is no such variable, or this was built without libsystemd,
// nothing is told to anybody. What cannot be told is logged, and changes nothing else. libsystemd is loaded for the
// first notification, so that nothing is linked with it.
//
// The environment is left as it was, for it cannot be changed once there are threads: programs that a module starts
// see NOTIFY_SOCKET too, and systemd takes no notice of them (NotifyAccess=main).
#pragma once

#include <string_view>

#include "onward/clock.h"
#include "onward/node.h"

namespace onward::service_manager {

// READY=1: `node` answers, or goes on behind tell_reloading(). Its status is its name, where it listens, and `remark`,
// if there is one. Any thread.
void tell_ready(const Node& node, std::string_view remark = {});
// RELOADING=1, with the time of it: the next is tell_ready(), however that ends. Any thread.
void tell_reloading(const Node& node);
// STOPPING=1: the process ends within `at_most`. Any thread.
void tell_stopping(const Node& node, Duration at_most);

// WATCHDOG=1 from the kernel thread of `node`, at half the time after which the service manager takes the process for
// hung, if it does that at all: for as long as the loop turns, until it ends. After start(), once. Any thread.
void start_watchdog(Node& node);

}  // namespace onward::service_manager
