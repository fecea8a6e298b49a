# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures that a word is learned from: files of any size made into squares as the prior wants to see them.

A prior of objects with an alpha channel wants the object alone, over grey. Where a file has no transparency, a plain
background is recognised by its colour; any other background is learned along, and the user is told.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.ndimage import label
from torch import Tensor

from backend.priors.base import GREY, resize
from protocol.errors import BadRequest
from protocol.specs.learn import FEWEST_PICTURES, MOST_PICTURES

SMALLEST = 32  # pixels along the shorter side
LARGEST = 2048  # longer sides are reduced at once; no prior sees more
FRAMED = 0.8  # of the square: the longer side of an object that is cut out, about what the default cameras show
SAME = 0.08  # distance in colour below which a pixel is background
PLAIN = 0.85  # share of the border that must have the background's colour


@dataclass(frozen=True, eq=False)
class Picture:
    """name: of the input. colour: (H, W, 3) float32 in 0..1, sRGB. alpha: (H, W) 0..1, or None where nothing is known
    of a background."""

    name: str
    colour: NDArray[np.float32]
    alpha: NDArray[np.float32] | None

    def square(self, size: int, cut: bool, framed: bool) -> Tensor:
        """(4, size, size) float32: colour over grey, and coverage.

        cut: what is transparent becomes grey; else the picture stays whole. framed: the object fills the square as a
        default camera shows it; else the picture's own frame stays, with grey bars where it is not square.
        """
        alpha = self.alpha if self.alpha is not None and cut else np.ones(self.colour.shape[:2], np.float32)
        layers = np.concatenate([self.colour * alpha[..., None], alpha[..., None]], 2)
        if self.alpha is not None and cut and framed:
            layers = _frame(layers, alpha)
        elif cut:
            layers = _padded(layers, max(layers.shape[:2]))
        else:  # a photograph: the middle of it, as DreamBooth's training does
            layers = _middle(layers)
        small = resize(torch.from_numpy(np.ascontiguousarray(layers)).permute(2, 0, 1)[None], size)[0].clamp(0, 1)
        return torch.cat([small[:3] + GREY * (1 - small[3:]), small[3:]])


def read_pictures(inputs: Mapping[str, NDArray[Any]]) -> list[Picture]:
    """The pictures of a learn job in order. Raises BadRequest naming the one that cannot be used."""
    names = [f"picture_{number}" for number in range(MOST_PICTURES) if f"picture_{number}" in inputs]
    if len(names) < FEWEST_PICTURES:
        raise BadRequest(f"Learning a word takes {FEWEST_PICTURES} to {MOST_PICTURES} pictures, {len(names)} came in.",
                         path="inputs.picture_0", hint="Add pictures of the same thing from other sides.")
    return [_read(name, inputs[name]) for name in names]


def repeated(pictures: list[Picture]) -> list[str]:
    """Names of pictures that are exactly one before them."""
    return [one.name for number, one in enumerate(pictures)
            if any(np.array_equal(one.colour, other.colour) for other in pictures[:number])]


def _read(name: str, content: NDArray[Any]) -> Picture:
    try:
        opened = Image.open(io.BytesIO(np.asarray(content, np.uint8).tobytes()))
        image = ImageOps.exif_transpose(opened)  # a telephone turns pictures by a note in the file
        image.thumbnail((LARGEST, LARGEST))
        values = np.asarray(image.convert("RGBA"), np.float32) / 255.0
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise BadRequest(f"The picture {name} cannot be read: {problem}.", path=f"inputs.{name}",
                         hint="Send a PNG, JPEG or WebP file as bytes.") from problem
    if min(values.shape[:2]) < SMALLEST:
        raise BadRequest(f"The picture {name} is only {values.shape[1]} x {values.shape[0]} pixels, at least "
                         f"{SMALLEST} are needed.", path=f"inputs.{name}", hint="Use a larger picture.")
    colour, alpha = values[..., :3], values[..., 3]
    if (alpha < 0.5).any():
        if not (alpha > 0.5).any():
            raise BadRequest(f"The picture {name} is transparent everywhere.", path=f"inputs.{name}")
        return Picture(name, colour, alpha)
    return Picture(name, colour, _object_on_plain(colour))


def _object_on_plain(colour: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The object's mask (H, W) before a background of one colour, None before any other."""
    border = np.concatenate([colour[0], colour[-1], colour[1:-1, 0], colour[1:-1, -1]])
    ground = np.median(border, axis=0)
    if (np.linalg.norm(border - ground, axis=1) < SAME).mean() < PLAIN:
        return None
    parts, _ = label(np.linalg.norm(colour - ground, axis=2) < SAME)
    # Background is what is connected with the border, so that an object may have its colour inside.
    outer = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    inside = ~np.isin(parts, outer[outer > 0])
    share = inside.mean()
    return inside.astype(np.float32) if 0.01 < share < 0.98 else None


def _frame(layers: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut to a square in whose middle the object is FRAMED of a side."""
    rows, columns = np.flatnonzero((alpha > 0.5).any(1)), np.flatnonzero((alpha > 0.5).any(0))
    side = max(4, round(max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) / FRAMED))
    top, left = (rows[0] + rows[-1] + 1 - side) // 2, (columns[0] + columns[-1] + 1 - side) // 2
    square = np.zeros((side, side, 4), np.float32)
    height, width = layers.shape[:2]
    y, x = max(top, 0), max(left, 0)
    part = layers[y:min(top + side, height), x:min(left + side, width)]
    square[y - top:y - top + part.shape[0], x - left:x - left + part.shape[1]] = part
    return square


def _padded(layers: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    square = np.zeros((side, side, layers.shape[2]), np.float32)
    top, left = (side - layers.shape[0]) // 2, (side - layers.shape[1]) // 2
    square[top:top + layers.shape[0], left:left + layers.shape[1]] = layers
    return square


def _middle(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    side = min(layers.shape[:2])
    top, left = (layers.shape[0] - side) // 2, (layers.shape[1] - side) // 2
    return layers[top:top + side, left:left + side]
