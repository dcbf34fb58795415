// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// Private to pkg/sentry/kernel.

#ifndef CVISOR_PKG_SENTRY_KERNEL_TASK_INTERNAL_H_
#define CVISOR_PKG_SENTRY_KERNEL_TASK_INTERNAL_H_

namespace cvisor::kernel {

class Task;

// What Task::Current() returns; set by the task's own host thread.
extern thread_local Task* current_task;

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_TASK_INTERNAL_H_
