// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// ipc_namespaces(7): the System V objects that the processes of a namespace see, and its POSIX
// message queues. The objects are in pkg/sentry/ipc; they go when the last process of the namespace
// does, but for shared memory that is still mapped.

#ifndef CVISOR_PKG_SENTRY_KERNEL_IPC_NAMESPACE_H_
#define CVISOR_PKG_SENTRY_KERNEL_IPC_NAMESPACE_H_

#include <atomic>
#include <functional>

#include "pkg/base/mutex.h"
#include "pkg/base/ref.h"
#include "pkg/sentry/auth/user_namespace.h"
#include "pkg/sentry/ipc/message_queue.h"
#include "pkg/sentry/ipc/semaphore.h"
#include "pkg/sentry/ipc/shared_memory.h"

namespace cvisor::kernel {

class IpcNamespace : public Namespace {
 public:
  explicit IpcNamespace(Ref<UserNamespace> owner = UserNamespace::Root())
      : shm_(MakeRef<ipc::SharedMemory>(owner)),
        sem_(MakeRef<ipc::Semaphores>(owner)),
        msg_(MakeRef<ipc::MessageQueues>(owner)) {
    set_user_ns(std::move(owner));
  }
  ipc::SharedMemory& shm() { return *shm_; }
  ipc::Semaphores& sem() { return *sem_; }
  ipc::MessageQueues& msg() { return *msg_; }

  // mq_overview(7): /proc/sys/fs/mqueue.
  struct MqueueLimits {
    std::atomic<uint64_t> queues_max{256};
    std::atomic<uint64_t> msg_max{10}, msgsize_max{8192};
    std::atomic<uint64_t> msg_default{10}, msgsize_default{8192};
  };
  MqueueLimits& mqueue_limits() { return mqueue_limits_; }
  // The file system that holds the namespace's POSIX message queues (pkg/sentry/fs/mqueue, which is
  // above this package), made when first asked for.
  Ref<RefCounted> MqueueFileSystem(const std::function<Ref<RefCounted>()>& make) {
    MutexLock lock(mu_);
    if (mqueue_fs_ == nullptr) mqueue_fs_ = make();
    return mqueue_fs_;
  }

 private:
  const Ref<ipc::SharedMemory> shm_;
  const Ref<ipc::Semaphores> sem_;
  const Ref<ipc::MessageQueues> msg_;
  MqueueLimits mqueue_limits_;
  Mutex mu_;
  Ref<RefCounted> mqueue_fs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cvisor::kernel

#endif  // CVISOR_PKG_SENTRY_KERNEL_IPC_NAMESPACE_H_
