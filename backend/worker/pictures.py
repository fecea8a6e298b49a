# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures as PNG, quickly: what a preview needs, without loading an imaging library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """An (H, W, 3) or (H, W, 4) uint8 sRGB image, top row first, as a PNG file (W3C PNG, filter type Sub)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or 0 in image.shape:
        raise ValueError(f"expected a (H, W, 3) or (H, W, 4) uint8 image, got {image.dtype} {image.shape}")
    height, width, channels = image.shape
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = 1  # Sub: each byte minus the one of the pixel to its left, modulo 256
    flat = image.reshape(height, -1)
    rows[:, 1 : 1 + channels] = flat[:, :channels]
    rows[:, 1 + channels :] = flat[:, channels:] - flat[:, :-channels]
    head = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join((
        _chunk(b"IHDR", head), _chunk(b"sRGB", b"\0"), _chunk(b"IDAT", zlib.compress(rows.tobytes(), 3)),
        _chunk(b"IEND", b""),
    ))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
