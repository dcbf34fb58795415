#!/usr/bin/python3
# Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
"""A web server and its clients over loopback; asyncio over TCP; names of interfaces."""
import asyncio
import http.server
import os
import socket
import threading
import urllib.request

os.makedirs("web", exist_ok=True)
with open("web/large", "wb") as f:
    f.write(bytes(range(256)) * 20000)


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory="web")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_address[1]
want = open("web/large", "rb").read()
same = []


def fetch():
    for _ in range(5):
        same.append(urllib.request.urlopen(url + "large").read() == want)


clients = [threading.Thread(target=fetch) for _ in range(8)]
for c in clients:
    c.start()
for c in clients:
    c.join()
print(len(same), all(same))
server.shutdown()


async def main():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
    tcp = await asyncio.start_server(serve, "::1", 0)
    port = tcp.sockets[0].getsockname()[1]

    async def client(n):
        reader, writer = await asyncio.open_connection("::1", port)
        for i in range(20):
            writer.write(b"line %d %d\n" % (n, i))
            assert await reader.readline() == b"LINE %d %d\n" % (n, i)
        writer.close()
        return n
    print(await asyncio.gather(*(client(n) for n in range(20))))
    tcp.close()


asyncio.run(main())
print(socket.if_nametoindex("lo"), (1, "lo") in socket.if_nameindex())
