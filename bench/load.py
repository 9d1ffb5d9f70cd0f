"""The load generator: SMTP over kept connections, a process of its own. Prints seconds and its own CPU as JSON."""

import asyncio
import base64
import json
import os
import sys
import time

import uvloop

_BODY = b"".join(b"%04d " % number + b"A" * 71 + b"\r\n" for number in range(128))


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readline()
        if line[3:4] == b" ":
            if line[:1] not in b"23":
                raise RuntimeError(line.decode())
            return line


async def _connection(host: str, port: int, senders: list[str], numbers: "asyncio.Queue[int]", login: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    await _reply(reader)
    writer.write(b"EHLO bench.contoso.example\r\n")
    await _reply(reader)
    writer.write(b"AUTH PLAIN " + base64.b64encode(login) + b"\r\n")
    await _reply(reader)
    while not numbers.empty():
        number = numbers.get_nowait()
        sender = senders[number % len(senders)].encode()
        head = (
            b"From: " + sender + b"\r\nTo: <bob@contoso.example>\r\nSubject: bench %d\r\n"
            b"Date: Fri, 20 Nov 2026 08:00:00 +0000\r\nMessage-ID: <bench-%d-%d@contoso.example>\r\n\r\n"
        ) % (number, os.getpid(), number)
        for line in (b"MAIL FROM:<" + sender + b">", b"RCPT TO:<bob@contoso.example>", b"DATA", head + _BODY + b"."):
            writer.write(line + b"\r\n")
            await _reply(reader)
    writer.write(b"QUIT\r\n")
    await _reply(reader)
    writer.close()


async def _main() -> None:
    host, _, port = sys.argv[1].rpartition(":")
    senders, messages, connections = sys.argv[2].split(","), int(sys.argv[3]), int(sys.argv[4])
    login = bytes.fromhex(os.environ["BENCH_LOGIN"])
    numbers: asyncio.Queue[int] = asyncio.Queue()
    for number in range(messages):
        numbers.put_nowait(number)
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_connection(host, int(port), senders, numbers, login) for _ in range(connections)))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    uvloop.run(_main())
