# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG bytes -> `bpy.types.Image`, packed into the .blend or beside it, without decoding it here.

Blender packs the bytes as they are (1 ms) and decodes them when something first looks at the pixels (85 ms for
2048 x 2048); writing pixels and letting Blender encode them would cost 1 s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE_LIMIT = 16_384
"""Longest side of a picture that is accepted, pixels; Blender's own textures rarely go past it."""

THUMBNAIL = 512
"""Longest side of a picture whose colour is looked at."""

FOLDER = "textures"
"""Where external images go, beside the .blend file."""


class BrokenImage(ValueError):
    """The bytes are not a PNG that can be used; the text says why."""


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height out of the header; raises BrokenImage. Cheap: nothing is decoded."""
    if len(data) < 33 or data[:8] != PNG_SIGNATURE or data[12:16] != b"IHDR":
        raise BrokenImage("the texture is not a PNG file")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise BrokenImage(f"the texture is {width} x {height} pixels; at most {SIDE_LIMIT} x {SIDE_LIMIT} are accepted")
    if data[-12:-4] != b"\x00\x00\x00\x00IEND":
        raise BrokenImage("the texture is cut off before its end")
    return width, height


def image_from_png(name: str, png: bytes | np.ndarray, colour_space: str = "sRGB", external: bool = False) -> Any:
    """A new image called `name` (or name.001), packed, or as a file of the folder `textures` beside the .blend file.

    png: bytes or (n,) uint8. colour_space: "sRGB" for colour, "Non-Color" for data such as normals. external: where
    the .blend file was never saved or the folder cannot be written, the image is packed all the same.
    Raises BrokenImage before anything is made.
    """
    data = png.tobytes() if isinstance(png, np.ndarray) else png
    png_size(data)
    image = bpy.data.images.new(name, 1, 1)
    image.source = "FILE"
    file = f"{bpy.path.clean_name(image.name)}.png"
    written = _write(file, data) if external and bpy.data.filepath else ""
    if written:
        image.filepath = written
    else:
        image.filepath = f"//{file}"
        image.pack(data=data, data_len=len(data))
    image.colorspace_settings.name = colour_space
    return image


def mean_colour(png: bytes | np.ndarray) -> tuple[float, float, float, float] | None:
    """Linear colour of what a small picture shows, its background left out; None for a large one, or an empty one.

    Decoding takes as long as the picture is large, so it is for thumbnails: 2 ms for 256 x 256.
    """
    data = png.tobytes() if isinstance(png, np.ndarray) else png
    if max(png_size(data)) > THUMBNAIL:
        return None
    image = image_from_png("thumbnail", data)
    try:
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    pixels = pixels.reshape(-1, 4)
    seen = pixels[pixels[:, 3] > 0.5, :3].astype(np.float64)
    if not len(seen):
        return None
    linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4).mean(0)
    return float(linear[0]), float(linear[1]), float(linear[2]), 1.0


def _write(file: str, data: bytes) -> str:
    """Save next to the .blend file under a name that is free; returns Blender's path of it, empty when it failed."""
    folder = Path(bpy.path.abspath(f"//{FOLDER}"))
    stem, number = file[: -len(".png")], 0
    try:
        folder.mkdir(exist_ok=True)
        while True:
            name = f"{stem}.png" if number == 0 else f"{stem}_{number:03d}.png"
            try:
                with (folder / name).open("xb") as target:  # x: never over a file that is there
                    target.write(data)
                return f"//{FOLDER}/{name}"
            except FileExistsError:
                number += 1
    except OSError:
        return ""
