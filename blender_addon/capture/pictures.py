# SPDX-License-Identifier: GPL-3.0-or-later
"""`bpy.types.Image` -> the bytes of a picture file, as it stands now: strokes that were never saved are in it.

A PNG or JPEG file that nobody has painted on goes as it is; all else is written as a PNG here.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import wire

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""PNG's number for grey, RGB and RGBA, by the count of channels."""
SINGLE = ("FILE", "GENERATED", "VIEWER")
"""Sources of images that are one picture."""


def file_bytes(image: Any) -> bytes:
    """PNG or JPEG bytes of an image. Raises BadRequest when it is none, or more than one."""
    check(image)
    if image.source == "FILE" and not image.is_dirty:
        data = _stored(image)
        if data.startswith((PNG, JPEG)):
            return data
    return png(pixels(image))


def check(image: Any) -> None:
    """Raises BadRequest when an image cannot be worked on."""
    if image.source == "TILED":
        raise wire.errors.BadRequest(f"{image.name} is a set of UDIM tiles, and only one picture at a time can go in.",
                                     path="picture", hint="Work on one tile as an image of its own.")
    if image.source not in SINGLE:
        raise wire.errors.BadRequest(f"{image.name} is a film, not a picture.", path="picture")
    if 0 in tuple(image.size):
        raise wire.errors.BadRequest(f"{image.name} has no pixels; its file may be missing.", path="picture")


def _stored(image: Any) -> bytes:
    if image.packed_file is not None:
        return bytes(image.packed_file.data)
    try:
        return Path(bpy.path.abspath(image.filepath, library=image.library)).read_bytes()
    except OSError:
        return b""


def pixels(image: Any) -> np.ndarray:
    """(H, W, 4) uint8, top row first, sRGB-encoded; of any image with pixels."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, image.channels)[::-1]
    if image.channels != 4:  # grey, or grey with alpha, or RGB
        colour = values[..., :3] if image.channels == 3 else np.repeat(values[..., :1], 3, axis=2)
        alpha = values[..., 1:2] if image.channels == 2 else np.ones_like(values[..., :1])
        values = np.concatenate([colour, alpha], axis=2)
    if image.is_float:  # only those are scene-linear
        values = np.concatenate([encoded(values[..., :3]), values[..., 3:]], axis=2)
    return np.ascontiguousarray((np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8))


def encoded(linear: np.ndarray) -> np.ndarray:
    """Scene-linear 0..1 -> sRGB-encoded 0..1."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1.0 / 2.4) - 0.055).astype(np.float32)


def mask(image: Any) -> bytes:
    """A mask of an image as a PNG of black and white: white where it is light and not transparent."""
    check(image)
    values = pixels(image).astype(np.uint16)
    return mask_png(values[..., :3].max(axis=2) * values[..., 3] >= 128 * 255)


def mask_png(selected: np.ndarray) -> bytes:
    """(H, W) bool -> a PNG, white where true. Raises BadRequest when nothing is selected."""
    if not selected.any():
        raise wire.errors.BadRequest("The mask is black: nothing is selected.", path="mask",
                                     hint="Paint what is meant in white.")
    return png(np.where(selected, 255, 0).astype(np.uint8))


def png(values: np.ndarray) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint8, top row first -> a PNG file, compressed quickly."""
    height, width = values.shape[:2]
    colour = COLOUR_TYPES[values.shape[2] if values.ndim == 3 else 1]
    rows = np.zeros((height, values.nbytes // height + 1), np.uint8)  # a filter byte before each row
    rows[:, 1:] = values.reshape(height, -1)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, colour, 0, 0, 0))
    return PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows.data, 1)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def as_input(data: bytes) -> np.ndarray:
    """The bytes of a file as a job's input."""
    return np.frombuffer(data, np.uint8)
