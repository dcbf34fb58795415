#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import multiprocessing
import multiprocessing.shared_memory
import os
import signal
import subprocess
import sys
import tempfile
import time


def square(x):
    return x * x


def child(pipe, value, lock, queue):
    for _ in range(100):
        with lock:
            value.value += 1
    queue.put(os.getppid())
    # Senders that share an end of a pipe must take turns, or their messages mix.
    with lock:
        pipe.send({"pid": os.getpid() != os.getppid(), "data": b"x" * 200000})
    pipe.close()


def shm_child(name):
    s = multiprocessing.shared_memory.SharedMemory(name)
    s.buf[:5] = b"hello"
    s.close()


def main():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(method, pool.map(square, range(10)), pool.apply_async(square, (5,)).get(20))
    value, lock = multiprocessing.Value("i", 0), multiprocessing.Lock()
    queue, (ours, theirs) = multiprocessing.Queue(), multiprocessing.Pipe()
    ps = [multiprocessing.Process(target=child, args=(theirs, value, lock, queue)) for _ in range(3)]
    for p in ps:
        p.start()
    got = [ours.recv() for _ in ps]
    print([queue.get() == os.getpid() for _ in ps], [len(g["data"]) for g in got])
    for p in ps:
        p.join()
    print(value.value, [p.exitcode for p in ps])
    p = multiprocessing.Process(target=time.sleep, args=(100,))
    p.start()
    p.terminate()
    p.join()
    print(p.exitcode)
    shm = multiprocessing.shared_memory.SharedMemory(create=True, size=100)
    p = multiprocessing.Process(target=shm_child, args=(shm.name,))
    p.start()
    p.join()
    print(bytes(shm.buf[:5]))
    shm.close()
    shm.unlink()
    with multiprocessing.Manager() as manager:
        d = manager.dict()
        p = multiprocessing.Process(target=d.update, args=({1: 2},))
        p.start()
        p.join()
        print(dict(d))

    print(subprocess.check_output(["sh", "-c", "echo $0 $1", "a", "b"]))
    r = subprocess.run(["cat"], input=b"z" * 1000000, capture_output=True)
    print(len(r.stdout), r.returncode)
    print(subprocess.run("echo out; echo err >&2; exit 3", shell=True, capture_output=True, text=True))
    print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
    try:
        subprocess.run(["sleep", "10"], timeout=0.2)
    except subprocess.TimeoutExpired as e:
        print(e.cmd)
    for bad in (["/nonexistent"], ["/etc/passwd"]):
        try:
            subprocess.run(bad)
        except OSError as e:
            print(type(e).__name__, e)
    a = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
    b = subprocess.Popen(["wc", "-l"], stdin=a.stdout, stdout=subprocess.PIPE)
    a.stdout.close()
    print(b.communicate(), a.wait())
    p = subprocess.Popen(["sh", "-c", "pwd; echo $V; ulimit -n"], cwd="/", env={"V": "v"},
                         stdout=subprocess.PIPE, start_new_session=True, close_fds=True,
                         preexec_fn=lambda: __import__("resource").setrlimit(7, (99, 99)))
    print(p.communicate()[0])
    with open("out", "w+") as f, tempfile.TemporaryFile() as t:
        subprocess.run(["tee", "/dev/stderr"], input=b"x\n", stdout=f, stderr=t)
        t.seek(0)
        print(t.read(), open("out").read())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(os.system("exit 5") >> 8, os.popen("echo popen").read())
    p = subprocess.Popen(["sleep", "100"])
    p.send_signal(signal.SIGSTOP)
    print(os.WIFSTOPPED(os.waitpid(p.pid, os.WUNTRACED)[1]))
    p.send_signal(signal.SIGCONT)
    p.kill()
    print(p.wait())
    sys.stdout.flush()
    os.execvp("echo", ["echo", "executed"])


if __name__ == "__main__":
    main()
