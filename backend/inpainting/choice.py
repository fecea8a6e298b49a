# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inpainter fills: one by name, one from a file, or, by default, whichever the picture itself says is better.

The default tries both of our own methods on a part of the picture whose truth it knows, of the hole's shape, and takes
the better one. Large holes are filled piece by piece, and coarsely before finely (`backend.inpainting.pieces`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.inpainting import opencv
from backend.inpainting.base import Hole, Inpainter, Picture, check
from backend.inpainting.biharmonic import Biharmonic
from backend.inpainting.exemplar import crisp
from backend.inpainting.pieces import by_pieces
from backend.inpainting.statistics import Statistics
from protocol.errors import BadRequest

METHODS = ("auto", Biharmonic.name, Statistics.name, *opencv.METHODS)
QUICK = (40,)  # conjugate gradient steps of a trial
SURE = 0.35  # the smooth fill wins only below this share of the other's squared error: the other was tried quickly
SMALLEST_TRIAL = 16  # pixels


class ByContent:
    """The default: smooth where that is best, else by the texture's statistics and made crisp. See `Inpainter`."""

    name = "auto"

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        return by_pieces(self._fill, picture, hole, check(picture, hole, beside))

    def _fill(self, picture: Picture, hole: Hole) -> Picture:
        if smooth_is_better(picture, hole):
            return Biharmonic().fill(picture, hole)
        return crisp(Statistics().fill(picture, hole), hole, hole)


class InPieces:
    """Another method, made fit for pictures of any size. See `Inpainter`."""

    def __init__(self, method: Inpainter):
        self.method = method
        self.name = method.name

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        return by_pieces(self.method.fill, picture, hole, check(picture, hole, beside))


def smooth_is_better(picture: Picture, hole: Hole) -> bool:
    """Whether the smooth fill does better than statistics where the truth is known."""
    trial = _trial(hole)
    if trial.sum() < SMALLEST_TRIAL or (hole | trial).mean() > 0.9:
        return False
    both = hole | trial
    smooth, likely = Biharmonic().fill(picture, both), Statistics(QUICK).fill(picture, both)
    truth = picture[trial]
    return float(((smooth[trial] - truth) ** 2).mean()) < SURE * float(((likely[trial] - truth) ** 2).mean())


def _trial(hole: Hole) -> Hole:
    """The hole moved to where most of it falls on known pixels, without what doesn't."""
    height, width = hole.shape
    best, most = np.zeros_like(hole), 0
    for down in (-height // 2, -height // 4, 0, height // 4, height // 2):
        for right in (-width // 2, -width // 4, 0, width // 4, width // 2):
            moved = np.zeros_like(hole)
            to = (slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right)))
            of = (slice(max(0, -down), height + min(0, -down)), slice(max(0, -right), width + min(0, -right)))
            moved[to] = hole[of]
            moved &= ~hole
            if moved.sum() > most:
                best, most = moved, int(moved.sum())
    return best


def inpainter_of(setting: str, device: torch.device | None = None) -> Inpainter:
    """The inpainter that the setting names: empty or `auto` for the choice by content, one of METHODS, or the path of
    a LaMa file or folder, loaded to `device`. Raises BadRequest or BrokenWeights."""
    if setting in ("", ByContent.name):
        return ByContent()
    if setting == Biharmonic.name:
        return Biharmonic()
    if setting == Statistics.name:
        return InPieces(Statistics())
    if setting in opencv.METHODS:
        return opencv.OpenCV(setting)
    path = Path(setting).expanduser()
    if not path.exists():
        raise BadRequest(
            f"There is no inpainter called {setting!r}, and no file of that name.", path="inpainter",
            hint=f"Leave `inpainter` empty for the choice by content, or set it to one of {', '.join(METHODS)}, or to "
                 "a LaMa file (big-lama.pt, best.ckpt, .safetensors).")
    from backend.inpainting.lama_files import load

    return load(path, device or torch.device("cpu"))
