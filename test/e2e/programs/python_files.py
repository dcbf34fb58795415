#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import compileall
import fcntl
import mmap
import os
import pathlib
import shutil
import sqlite3
import struct
import sys
import tempfile

# sqlite3, with its locks and journals.
for mode in ("delete", "wal", "truncate", "memory"):
    db = sqlite3.connect("db." + mode, timeout=1)
    print(db.execute("pragma journal_mode=" + mode).fetchall())
    db.execute("create table t(a integer primary key, b text)")
    with db:
        db.executemany("insert into t values (?, ?)", ((i, "x" * (i % 100)) for i in range(5000)))
    other = sqlite3.connect("db." + mode, timeout=0.1)
    print(other.execute("select count(*), sum(length(b)) from t").fetchall())
    db.execute("begin immediate")
    try:
        other.execute("begin immediate")
    except sqlite3.OperationalError as e:
        print(e)
    db.execute("delete from t where a % 2")
    db.rollback()
    print(db.execute("select count(*) from t").fetchone(), db.execute("pragma integrity_check").fetchone())
    db.close()
    other.close()

# tempfile
with tempfile.TemporaryDirectory(dir=".") as d:
    f = tempfile.NamedTemporaryFile(dir=d)
    f.write(b"123")
    f.flush()
    print(os.stat(f.name).st_size, oct(os.stat(f.name).st_mode))
    f.close()
    print(os.listdir(d))
    with tempfile.TemporaryFile(dir=d) as f:
        print(os.listdir(d), f.write(b"abc"), os.fstat(f.fileno()).st_nlink)
    s = tempfile.SpooledTemporaryFile(max_size=10, dir=d)
    s.write(b"x" * 20)
    s.seek(0)
    print(len(s.read()))

# mmap
with open("mapped", "w+b") as f:
    f.truncate(1 << 20)
    m = mmap.mmap(f.fileno(), 0)
    m[:5] = b"hello"
    m[-5:] = b"world"
    m.flush()
    print(os.pread(f.fileno(), 5, 0), os.pread(f.fileno(), 5, (1 << 20) - 5), m.find(b"world"))
    private = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_COPY)
    private[:5] = b"HELLO"
    print(m[:5], private[:5])
    os.pwrite(f.fileno(), b"J", 0)
    print(m[:5])
    m.resize(2 << 20)
    print(len(m), os.fstat(f.fileno()).st_size)
    m.close()
anon = mmap.mmap(-1, 8192)
pid = os.fork()
if pid == 0:
    anon[0:4] = struct.pack("i", 12345)
    os._exit(0)
os.waitpid(pid, 0)
print(struct.unpack("i", anon[0:4]))

# Locks, links, times, attributes
with open("lock", "w") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    fcntl.lockf(f, fcntl.LOCK_EX)
    if os.fork() == 0:
        with open("lock", "r+") as g:
            for lock in (fcntl.flock, fcntl.lockf):
                try:
                    lock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    print("locked")
                except OSError as e:
                    print(e)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
p = pathlib.Path("a/b/c")
p.mkdir(parents=True)
(p / "f").write_text("text\n")
os.symlink("f", p / "s")
os.link(p / "f", p / "h")
os.utime(p / "f", ns=(10**18 + 1, 10**18 + 2))
print(os.stat(p / "f").st_mtime_ns, os.stat(p / "h").st_nlink, os.readlink(p / "s"))
shutil.copytree("a", "a2", symlinks=True)
print(sorted(str(x) for x in pathlib.Path("a2").rglob("*")))
shutil.rmtree("a2")
shutil.make_archive("archive", "gztar", "a")
shutil.unpack_archive("archive.tar.gz", "unpacked")
print(open("unpacked/b/c/s").read())
os.unlink("archive.tar.gz")
for call in (lambda: os.rmdir("a"), lambda: os.open("nothing", os.O_RDONLY), lambda: os.mkdir("a"),
             lambda: os.listdir("lock"), lambda: os.rename("a", "a/b/x"), lambda: os.read(99, 1),
             lambda: os.lseek(os.pipe()[0], 0, 0), lambda: os.ftruncate(0, 10)):
    try:
        print(call())
    except OSError as e:
        print(type(e).__name__, e)
with os.scandir("a/b/c") as it:
    print(sorted((e.name, e.is_file(), e.is_symlink()) for e in it))
fd = os.memfd_create("m")
os.write(fd, b"memfd")
print(os.readlink("/proc/self/fd/%d" % fd), os.sendfile(os.open("copy", os.O_CREAT | os.O_WRONLY), fd, 0, 5))
print(os.copy_file_range(os.open("a/b/c/f", os.O_RDONLY), os.open("copy", os.O_WRONLY), 3))
print(open("copy").read(), os.getxattr("copy", "user.x") if os.setxattr("copy", "user.x", b"v") else os.listxattr("copy"))
os.removexattr("copy", "user.x")
os.makedirs("pkg")
for i in range(20):
    open("pkg/m%d.py" % i, "w").write("def f(x):\n    return x + %d\n" % i)
print(compileall.compile_dir("pkg", quiet=1, workers=2), len(os.listdir("pkg/__pycache__")))
sys.path.insert(0, ".")
import pkg.m3
print(pkg.m3.f(4), os.path.basename(pkg.m3.__cached__))
shutil.rmtree("pkg")
os.unlink("db.wal")
for name in ("db.delete", "db.truncate", "db.memory"):
    os.unlink(name)
