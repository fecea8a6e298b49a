# SPDX-License-Identifier: GPL-3.0-or-later
"""The two engines that feed a harness: atheris (coverage-guided, libFuzzer underneath) and our own mutations.

Both take the same harnesses and the same corpus. Our own engine changes bytes blindly; it is there so that fuzzing
runs wherever the tests run, and it says that it is not guided by coverage. Around every input stand the same guards:
an address space that ends a little above what the process has now, a peak of traced memory looked at in every 64th
input, and a time after which an input counts as hung.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOM_BYTES = 512 << 20  # address space that all inputs together may add
PEAK_BYTES = 24 << 20  # traced memory that one input may use: 16 MiB of preview or payload and what surrounds it
HANG_SECONDS = 10
LOOK_EVERY = 64
MAX_INPUT = 4096  # bytes; the limits themselves (64 KiB, 1 MiB) are reached by lengths that an input names


class TooMuchMemory(AssertionError):
    """One input made the process use more than PEAK_BYTES."""


@dataclass
class Figures:
    """What one run of one harness amounts to. slowest: seconds of the slowest input. peak: traced bytes of one."""

    harness: str
    engine: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    coverage: int = 0
    corpus: int = 0


class Guarded:
    """A harness with its guards; counts what it does and writes the figures down now and then."""

    def __init__(self, harness: Callable[[bytes], None], figures: Figures, report: Path | None = None) -> None:
        self._harness = harness
        self.figures = figures
        self._report = report
        self._began = time.perf_counter()

    def __call__(self, data: bytes) -> None:
        figures = self.figures
        look = figures.inputs % LOOK_EVERY == 0
        if look:
            tracemalloc.start()
        began = time.perf_counter()
        try:
            self._harness(data)
        finally:
            taken = time.perf_counter() - began
            if look:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                figures.peak = max(figures.peak, peak)
            figures.inputs += 1
            figures.slowest = max(figures.slowest, taken)
        if look:
            if figures.peak > PEAK_BYTES:
                raise TooMuchMemory(f"{figures.peak:,} bytes for an input of {len(data)}")
            figures.seconds = time.perf_counter() - self._began
            self.write()

    def write(self) -> None:
        """Leave the figures in the file."""
        if self._report is not None:
            self._report.write_text(json.dumps(asdict(self.figures)))


def limit_memory() -> None:
    """End the address space ROOM_BYTES above what is used now, so that a bomb is a MemoryError here."""
    try:
        import resource

        import psutil
    except ImportError:  # Windows: the traced peak alone
        return
    top = psutil.Process().memory_info().vms + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (top, resource.getrlimit(resource.RLIMIT_AS)[1]))


def read_corpus(*folders: Path) -> list[bytes]:
    """Inputs to begin from; one empty input where there are none."""
    found = [path.read_bytes() for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return found or [b""]


def mutations(corpus: list[bytes], rng: random.Random) -> Iterator[bytes]:
    """The corpus itself, then inputs made from it by a few changes each."""
    yield from corpus
    while True:
        data = bytearray(rng.choice(corpus) if rng.random() < 0.8 else rng.randbytes(rng.choice((4, 16, 64, 256))))
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            at = rng.randrange(len(data) + 1)
            what = rng.randrange(6)
            if what == 0:
                data[at:at] = rng.randbytes(rng.choice((1, 1, 2, 4, 16)))
            elif what == 1:
                del data[at : at + rng.choice((1, 1, 2, 4, 16))]
            elif what == 2 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif what == 3 and at < len(data):
                data[at] = rng.randrange(256)
            elif what == 4:
                other = rng.choice(corpus)
                cut = rng.randrange(len(other) + 1)
                data[at:] = other[cut:]
            else:
                data[at:at] = data[: rng.randrange(17)]
        yield bytes(data[:MAX_INPUT])


def hung(number: int, frame: object) -> None:
    raise TimeoutError(f"one input took more than {HANG_SECONDS} s")


def run_own(guarded: Guarded, corpus: list[bytes], inputs: int, seconds: float, seed: int, keep: Path) -> None:
    """Feed mutations until so many inputs or seconds have passed; an input that breaks something is kept as a file."""
    end = time.monotonic() + seconds
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, hung)
    for data in mutations(corpus, random.Random(seed)):
        if guarded.figures.inputs >= inputs or time.monotonic() > end:
            break
        if hasattr(signal, "SIGALRM"):
            signal.alarm(HANG_SECONDS)
        try:
            guarded(data)
        except BaseException:
            keep.parent.mkdir(parents=True, exist_ok=True)
            keep.write_bytes(data)
            print(f"the input is kept as {keep}", file=sys.stderr)
            raise
    if hasattr(signal, "SIGALRM"):
        signal.alarm(0)
    guarded.write()


def run_atheris(
    guarded: Guarded, folders: list[Path], inputs: int, seconds: float, seed: int, keep: Path
) -> None:
    """Hand the process over to libFuzzer, which ends it: with code 0, or another when an input broke something."""
    import atheris

    keep.parent.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0], *(str(folder) for folder in folders), f"-seed={seed % 2**31}", f"-max_len={MAX_INPUT}",
        f"-timeout={HANG_SECONDS}", "-rss_limit_mb=0", f"-artifact_prefix={keep}-", "-print_final_stats=1",
        "-verbosity=1",
    ]
    if inputs < 2**31:
        arguments.append(f"-runs={inputs}")
    if seconds < 1e9:
        arguments.append(f"-max_total_time={max(1, int(seconds))}")
    atheris.Setup(arguments, guarded, enable_python_coverage=True)
    with contextlib.suppress(SystemExit):
        atheris.Fuzz()
