#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import signal


async def main():
    async def job(n):
        await asyncio.sleep(0.01 * (10 - n))
        return n
    print(await asyncio.gather(*(job(i) for i in range(10))))
    p = await asyncio.create_subprocess_exec("sort", "-n", stdin=asyncio.subprocess.PIPE,
                                             stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate(b"3\n1\n2\n")
    print(out, p.returncode)
    ps = [await asyncio.create_subprocess_shell("exit %d" % i) for i in range(8)]
    print([await p.wait() for p in ps])

    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
    server = await asyncio.start_unix_server(serve, "socket")

    async def client(n):
        reader, writer = await asyncio.open_unix_connection("socket")
        result = []
        for i in range(20):
            writer.write(b"line %d of %d\n" % (i, n))
            result.append(await reader.readline())
        writer.close()
        return len(result), result[-1]
    print(await asyncio.gather(*(client(i) for i in range(10))))
    server.close()
    loop, got = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(got.wait(), 5)
    print(await loop.run_in_executor(None, sum, range(100)))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        print("timeout")
    r, w = os.pipe()
    readable = asyncio.Event()
    loop.add_reader(r, readable.set)
    loop.call_later(0.05, os.write, w, b"x")
    await asyncio.wait_for(readable.wait(), 5)
    print(os.read(r, 10))
    lock, order = asyncio.Lock(), []

    async def locked(n):
        async with lock:
            order.append(n)
            await asyncio.sleep(0)
    await asyncio.gather(*(locked(i) for i in range(5)))
    print(order)


asyncio.run(main())
