# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressing pieces of arrays for slow links: zstd, after the bytes of each number were sorted by their place.

Optional: it needs `zstandard`. Sorting ("byte shuffle") puts the slowly changing high bytes of
neighbouring numbers side by side; it turns index buffers to a third and positions to two thirds (protocol reference,
section 16.4). A piece is decompressed only into memory of its announced size: what says that it becomes larger is
refused before a byte of it is unpacked.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Buffer
from .errors import ProtocolError

FEATURE = "zstd"
CODECS = ("raw", "zstd", "shuf2+zstd", "shuf4+zstd", "shuf8+zstd")
LEVEL = 1
WORTH = 0.9  # of the raw size; what does not become smaller than this is sent as it is
MAX_WINDOW_LOG = 23  # of zstd, 8 MiB: memory that a peer may make us use

_modules: dict[str, Any] = {}


def available() -> bool:
    """Whether there is a zstd here."""
    return _load() is not None


def codec_for(itemsize: int) -> str:
    """How to compress numbers of so many bytes."""
    return f"shuf{itemsize}+zstd" if itemsize in (2, 4, 8) else "zstd"


def compress(codec: str, data: Buffer) -> bytes | None:
    """The piece compressed, or None when that is not worth while."""
    items = _items(codec)
    flat = np.frombuffer(data, np.uint8)
    if items > 1 and len(flat) % items == 0:
        flat = np.ascontiguousarray(flat.reshape(-1, items).T)
    elif items > 1:
        return None  # a piece that does not end with a whole number
    packed: bytes = _need().ZstdCompressor(level=LEVEL).compress(flat.tobytes())
    return packed if len(packed) < WORTH * len(data) else None


def decompress(codec: str, data: Buffer, target: NDArray[np.uint8]) -> None:
    """Fill `target`, exactly, with the bytes of a compressed piece. Raises ProtocolError and allocates no more."""
    if codec not in CODECS[1:]:
        raise ProtocolError(f"The codec {codec[:20]!r} is not known here.")
    items, library = _items(codec), _need()
    if len(target) % items:
        raise ProtocolError("A compressed piece does not end with a whole number.")
    try:
        facts = library.get_frame_parameters(bytes(data[:18]))
        if facts.content_size != len(target) or facts.window_size > 1 << MAX_WINDOW_LOG:
            raise ProtocolError("A compressed piece says that it has another size.")
        raw = library.ZstdDecompressor(max_window_size=1 << MAX_WINDOW_LOG).decompress(
            data, max_output_size=len(target), allow_extra_data=False
        )
    except library.ZstdError as problem:
        raise ProtocolError(f"A compressed piece cannot be unpacked: {str(problem)[:100]}.") from problem
    if len(raw) != len(target):
        raise ProtocolError("A compressed piece has another size than it says.")
    flat = np.frombuffer(raw, np.uint8)
    if items > 1:
        target.reshape(-1, items)[:] = flat.reshape(items, -1).T
    else:
        target[:] = flat


def _items(codec: str) -> int:
    return int(codec[4]) if codec.startswith("shuf") else 1


def _load() -> Any:
    if "zstd" not in _modules:
        try:
            _modules["zstd"] = import_module("zstandard")
        except ImportError:
            _modules["zstd"] = None
    return _modules["zstd"]


def _need() -> Any:
    library = _load()
    if library is None:
        raise ProtocolError("The piece is compressed, and zstandard is not installed here.")
    return library
