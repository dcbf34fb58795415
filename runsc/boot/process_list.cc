// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0

#include "runsc/boot/process_list.h"

#include <algorithm>
#include <span>
#include <vector>

#include "pkg/sentry/control/channel.h"
#include "pkg/sentry/kernel/session.h"
#include "pkg/sentry/kernel/task.h"
#include "pkg/sentry/kernel/thread_group.h"
#include "pkg/sentry/kernel/timers.h"
#include "pkg/sentry/resources/resources.h"

namespace cvisor::runsc::boot {
namespace {

// No more than this of the arguments, and of processes: an answer is one packet.
constexpr size_t kMaxCommand = 512;
constexpr size_t kMaxAnswer = control::Channel::kMaxPacket - 1024;

std::string Command(kernel::Task& task) {
  std::string text;
  if (const auto mm = task.MmRef(); mm != nullptr) {
    const auto layout = mm->layout();
    text.resize(std::min<uint64_t>(kMaxCommand, layout.arg_end - layout.arg_start));
    const auto n = mm->as().CopyIn(layout.arg_start, std::as_writable_bytes(std::span(text)));
    text.resize(n.ok() ? *n : 0);
    while (!text.empty() && text.back() == '\0') text.pop_back();
    // What a terminal would take for more than text does not get there.
    for (char& c : text) {
      if (c == '\0') c = ' ';
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    }
  }
  return text.empty() ? "[" + task.name() + "]" : text;
}

}  // namespace

void ListProcesses(kernel::Kernel& kernel, const kernel::Container& container,
                   control::Response* out) {
  struct Found {
    Ref<kernel::ThreadGroup> tg;
    Ref<kernel::Task> leader;
    control::ProcessStatus status;
  };
  std::vector<Found> all;
  const kernel::PidNamespace& ns = *container.pid_ns();
  {
    MutexLock lock(kernel.task_mutex());
    for (kernel::ThreadGroup* tg : ns.ThreadGroups()) {
      Found f;
      f.tg = Ref<kernel::ThreadGroup>(tg);
      f.leader = Ref<kernel::Task>(tg->leader());
      f.status.set_pid(tg->IdIn(ns));
      f.status.set_ppid(tg->parent() == nullptr ? 0 : tg->parent()->IdIn(ns));
      f.status.set_threads(static_cast<uint32_t>(tg->live_tasks()));
      all.push_back(std::move(f));
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Found& a, const Found& b) { return a.status.pid() < b.status.pid(); });
  const int64_t now = kernel::MonotonicNs();
  out->set_tasks(static_cast<uint32_t>(kernel.task_count()));
  out->set_task_limit(SandboxResources().Get().pids);
  size_t size = 0;
  for (Found& f : all) {
    const kernel::CpuUsage usage = f.tg->Usage();
    f.status.set_cpu_ns(usage.user_ns + usage.system_ns);
    f.status.set_uid(f.leader->creds()->euid);
    f.status.set_age_ms((now - static_cast<int64_t>(f.leader->start_time_ns())) / 1000000);
    f.status.set_command(Command(*f.leader));
    size += f.status.ByteSizeLong() + 8;
    if (size > kMaxAnswer) break;
    *out->add_processes() = std::move(f.status);
  }
}

}  // namespace cvisor::runsc::boot
