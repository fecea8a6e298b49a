# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of fuzz bytes: the fuzzer mutates bytes, a harness takes numbers, choices and plain values out of them.

The same bytes give the same values with every engine. Bytes that have run out count as zeros, so that every input
means something.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

# Numbers at which a check can be wrong by one.
EDGES = (
    0, 1, 2, 3, -1, 63, 64, 65, 127, 128, 255, 256, 257, 4095, 4096, 4097, 65535, 65536, (1 << 20) - 1, 1 << 20,
    (1 << 20) + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2 << 30, (2 << 30) + 1, 4 << 30, (4 << 30) + 1, 2**53, 2**63 - 1,
    2**63, 2**64 - 1, -(2**31), -(2**63),
)
FLOATS = (0.0, -0.0, 1.0, 0.5, -1.0, 1e-300, 1e300, 1e12, 1e12 + 1, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    "", "a", "ab" * 16, "AB" * 16, "ctl", "blk", "blob", "raw", "zstd", "|u1", "<f4", "<f8", ">f4", "|O", "object",
    "text_to_3d", "draft", "../../etc/passwd", "\x00", "\n", "\u202e", "\U0001f344", "x" * 65, "x" * 4097, "x" * 16385,
    "NaN", "1e999", "-1", "state", "warning", "progress", "preview_mesh", "QUEUED", "SUCCEEDED", "FAILED",
)
OCTETS = (
    b"", b"\x00", b"ab", bytes(15), bytes(16), bytes(range(16)), bytes(17), bytes(32), bytes(range(32)), bytes(33),
    bytes(64), bytes(65), b"\xff" * 32,
)


class Bites:
    """Takes an input apart from its front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """0 to 255."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end."""
        piece = self._data[self._at : self._at + count]
        self._at += len(piece)
        return piece

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def below(self, limit: int) -> int:
        """0 to limit - 1."""
        if limit <= 256:
            return self.byte() % limit
        return int.from_bytes(self.take(4), "little") % limit

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.below(len(choices))]

    def value(self, depth: int = 0) -> Any:
        """Anything that msgpack can hold, near the limits more often than chance would have it."""
        kind = self.byte()
        if kind < 50:
            return self.pick(EDGES)
        if kind < 80:
            return self.byte()
        if kind < 110:
            return self.pick(TEXTS)
        if kind < 130:
            return self.take(self.byte()).decode("latin-1")
        if kind < 160:
            return self.pick(OCTETS)
        if kind < 175:
            return self.take(self.byte())
        if kind < 190:
            return self.pick(FLOATS)
        if kind < 200:
            return struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0]
        if kind < 215:
            return self.pick((None, True, False))
        if depth > 10:
            return None
        if kind < 235:
            return [self.value(depth + 1) for _ in range(self.below(6))]
        return {self.pick(TEXTS): self.value(depth + 1) for _ in range(self.below(6))}
