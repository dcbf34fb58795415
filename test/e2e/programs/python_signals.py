#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import faulthandler
import os
import select
import signal
import socket
import threading
import time

got = []
for s in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGCHLD, signal.SIGRTMIN):
    signal.signal(s, lambda n, f: got.append(signal.Signals(n).name))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR2)
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.2)
if os.fork() == 0:
    os._exit(0)
os.wait()
os.kill(os.getpid(), signal.SIGRTMIN)
print(got)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR2)
print(sorted(signal.sigpending()), signal.sigwait({signal.SIGUSR1}).name)
info = signal.sigtimedwait({signal.SIGUSR2}, 1)
print(info.si_signo, info.si_code, info.si_pid == os.getpid(), signal.sigtimedwait({signal.SIGUSR2}, 0.05))
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGUSR2})
# An interrupted call goes on after the handler (PEP 475).
r, w = os.pipe()
threading.Timer(0.3, os.write, (w, b"late")).start()
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.05)
print(os.read(r, 10))
signal.setitimer(signal.ITIMER_REAL, 0)
wr, ww = socket.socketpair()
ww.setblocking(False)
signal.set_wakeup_fd(ww.fileno())
os.kill(os.getpid(), signal.SIGUSR1)
print(wr.recv(1)[0] == signal.SIGUSR1)
signal.set_wakeup_fd(-1)
for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), how)
        time.sleep(5)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
# select, poll, epoll
a, b = socket.socketpair()
r, w = os.pipe()
print(select.select([a, r], [w], [], 0.05) == ([], [w], []))
b.send(b"x")
print(select.select([a, r], [], [], 1)[0] == [a])
p = select.poll()
p.register(r, select.POLLIN)
print(p.poll(50))
os.close(w)
print(p.poll(50)[0][1] & select.POLLHUP != 0)
e = select.epoll()
e.register(a, select.EPOLLIN | select.EPOLLET)
print([m for _, m in e.poll(1)], e.poll(0.05))
b.close()
print([m & select.EPOLLHUP != 0 for _, m in e.poll(1)])
start = time.monotonic()
select.select([], [], [], 0.2)
print(0.19 < time.monotonic() - start < 1)
start = time.process_time()
while time.process_time() - start < 0.05:
    pass
threads = [threading.Thread(target=signal.pthread_kill, args=(threading.get_ident(), signal.SIGUSR2)) for _ in range(3)]
for t in threads:
    t.start()
    t.join()
print(got.count("SIGUSR2"))
faulthandler.enable(open("fault", "w"))
pid = os.fork()
if pid == 0:
    faulthandler._sigsegv()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "Segmentation" in open("fault").read())
os.unlink("fault")
os.kill(os.getpid(), signal.SIGINT)
