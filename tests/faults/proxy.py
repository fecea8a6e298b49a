# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad network: a TCP proxy in a process of its own that delays, throttles, slices, cuts, and goes silent.

    python tests/faults/proxy.py 127.0.0.1:5555 --delay 0.3 --rate 4000000

prints the address to connect to instead. In tests `Proxy` starts it and changes its weather while connections are
open:

    delay, jitter   seconds that every piece takes longer, each way; pieces never overtake each other
    rate            bytes a second for each connection and way, 0 for as many as there are
    slice           bytes of the largest piece that is passed on at once, 0 for whole reads
    cut_chance      of each piece to end its connection instead of arriving
    silent          true: take nothing and pass nothing on, but keep every connection open (half-open, blackout)
    refuse          true: new connections are closed at once
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace

READ_BYTES = 16 << 10
IN_FLIGHT = 64  # pieces that the line holds while they are delayed: then the sender is not read from


@dataclass(frozen=True)
class Weather:
    """How bad the network is just now; a fair day by default."""

    delay: float = 0.0
    jitter: float = 0.0
    rate: float = 0.0
    slice: int = 0
    cut_chance: float = 0.0
    silent: bool = False
    refuse: bool = False


class Line:
    """All connections through one proxy. target: host and port of the real server."""

    def __init__(self, target: tuple[str, int], weather: Weather, rng: random.Random) -> None:
        self.target = target
        self.weather = weather
        self.passed = 0  # bytes, both ways
        self._rng = rng
        self._speaks = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.change(weather)

    def change(self, weather: Weather) -> None:
        """Another weather, from now on."""
        self.weather = weather
        (self._speaks.clear if weather.silent else self._speaks.set)()

    def cut(self) -> None:
        """End every connection with a reset."""
        for writer in self._writers:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        self._writers.add(writer)
        try:
            if self.weather.refuse:
                return
            await self._speaks.wait()
            there, back = await asyncio.open_connection(*self.target)
            self._writers.add(back)
            try:
                ways = [asyncio.ensure_future(self._way(reader, back)), asyncio.ensure_future(self._way(there, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except OSError:
            return  # nobody listens at the target
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)
        out = asyncio.ensure_future(self._write(pieces, writer))
        try:
            while data := await reader.read(self.weather.slice or READ_BYTES):
                await self._speaks.wait()
                if self.weather.cut_chance and self._rng.random() < self.weather.cut_chance:
                    return
                wait = max(0.0, self.weather.delay + self.weather.jitter * self._rng.uniform(-1.0, 1.0))
                await pieces.put((time.monotonic() + wait, data))
            await pieces.put((0.0, b""))
            await out
        except OSError:
            return
        finally:
            out.cancel()

    async def _write(self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        free = time.monotonic()  # when the line is free again, at this rate
        while True:
            due, data = await pieces.get()
            if not data:
                return
            free = max(free, time.monotonic() - 0.05) + (len(data) / self.weather.rate if self.weather.rate else 0.0)
            pause = max(due, free) - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            await self._speaks.wait()
            writer.write(data)
            await writer.drain()
            self.passed += len(data)


async def serve(target: tuple[str, int], weather: Weather, seed: int) -> None:
    """Listen on a free port and obey the commands on the standard input, one JSON map a line."""
    line = Line(target, weather, random.Random(seed))
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0, limit=READ_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def obey(command: dict) -> None:
        if command.pop("cut", False):
            line.cut()
        line.change(replace(line.weather, **command))
        print(json.dumps({"passed": line.passed}), flush=True)

    def listen() -> None:
        for text in sys.stdin:
            loop.call_soon_threadsafe(obey, json.loads(text))
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=listen, daemon=True).start()
    await ended.wait()


class Proxy:
    """A proxy process in front of a server. port: where it listens."""

    def __init__(self, address: str, seed: int = 0, **weather: float) -> None:
        command = [sys.executable, __file__, address.removeprefix("tcp://"), "--seed", str(seed), "--obey"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())  # type: ignore[union-attr]
        if weather:
            self.change(**weather)

    def change(self, **weather: float) -> int:
        """Change some of the weather (or `cut=True`); gives the bytes passed on so far."""
        self._process.stdin.write(json.dumps(weather) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return int(json.loads(self._process.stdout.readline())["passed"])  # type: ignore[union-attr]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="HOST:PORT of the real server")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--obey", action="store_true", help="take commands on the standard input (for tests)")
    for name, default in asdict(Weather()).items():
        if type(default) is not bool:
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = parser.parse_args(arguments)
    host, port = options.target.rsplit(":", 1)
    values = {name: getattr(options, name) for name in asdict(Weather()) if hasattr(options, name)}
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve((host, int(port)), Weather(**values), options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
