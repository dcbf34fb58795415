#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import queue
import threading
import time

lock, total = threading.Lock(), 0


def add(n):
    global total
    for _ in range(n):
        with lock:
            total += 1


threads = [threading.Thread(target=add, args=(2000,)) for _ in range(20)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)
q, done = queue.Queue(5), []
workers = [threading.Thread(target=lambda: done.extend(iter(q.get, None))) for _ in range(4)]
for w in workers:
    w.start()
for i in range(200):
    q.put(i)
for w in workers:
    q.put(None)
for w in workers:
    w.join()
print(sorted(done) == list(range(200)))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda x: x * x, range(100))))
event = threading.Event()
threading.Timer(0.1, event.set).start()
print(event.wait(5), threading.Event().wait(0.05))
condition, turns = threading.Condition(), []


def play(me):
    for _ in range(50):
        with condition:
            condition.wait_for(lambda: len(turns) % 2 == me)
            turns.append(me)
            condition.notify_all()


players = [threading.Thread(target=play, args=(i,)) for i in (0, 1)]
for p in players:
    p.start()
for p in players:
    p.join()
print(turns == [0, 1] * 50)
local = threading.local()
local.x = 1
other = []
t = threading.Thread(target=lambda: other.append(hasattr(local, "x")))
t.start()
t.join()
print(other, threading.active_count())
semaphore, peak, now = threading.Semaphore(3), [], []
def use():
    with semaphore:
        now.append(1)
        peak.append(len(now))
        time.sleep(0.01)
        now.pop()
ts = [threading.Thread(target=use) for _ in range(12)]
[t.start() for t in ts]
[t.join() for t in ts]
print(max(peak) <= 3)
try:
    lock.acquire()
    print(lock.acquire(timeout=0.05))
finally:
    lock.release()
# A daemon thread that never ends does not keep the process.
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
