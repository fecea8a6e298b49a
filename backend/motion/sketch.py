# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a moving figure without a mesh: bones as rounded strokes, on a sheet of moments seen from two sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backend.motion.figure import CHILD, PLACE, ROLES, Figure
from backend.motion.take import Take
from backend.motion.turns import Array

SIDE, FRONT = "side", "front"
PAPER, FLOOR, TRUNK = (246, 246, 244), (205, 205, 200), (70, 74, 84)
LEFT, RIGHT = (206, 92, 70), (66, 112, 180)
THICK = {"UpLeg": 0.075, "Leg": 0.055, "Arm": 0.05, "ForeArm": 0.042, "Hips": 0.12, "Spine": 0.13, "Spine1": 0.14,
         "Spine2": 0.15}  # of bones, in legs
FINER = 3  # drawn so many times larger, then averaged


def sheet(figure: Figure, take: Take, moments: int = 8, cell: int = 160, views: tuple[str, ...] = (SIDE, FRONT)
          ) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: `moments` of a take from left to right, a row for each view; the figure's left is red."""
    heads, tips = figure.positions(take.turns, take.root)
    frames = np.linspace(0, len(take) - 1, moments).round().astype(int)
    tall = float(figure.heads[PLACE["Head"], 2] - figure.ground) * 1.28
    scale = cell * FINER / max(tall * 1.12, float(np.ptp(heads[..., 2])))
    picture = Image.new("RGB", (cell * moments * FINER, cell * len(views) * FINER), PAPER)
    pen = ImageDraw.Draw(picture)
    for row, view in enumerate(views):
        floor = (row + 1) * cell * FINER - 0.05 * cell * FINER
        pen.line([(0, floor), (picture.width, floor)], fill=FLOOR, width=FINER)
        for column, frame in enumerate(frames):
            middle = (column + 0.5) * cell * FINER
            _figure(pen, figure, heads[frame], tips[frame], take.path[frame], view, middle, floor, scale)
    return np.asarray(picture.resize((picture.width // FINER, picture.height // FINER), Image.Resampling.BOX))


def _figure(pen: ImageDraw.ImageDraw, figure: Figure, heads: Array, tips: Array, path: Array, view: str, middle: float,
            floor: float, scale: float) -> None:
    def at(point: Array) -> tuple[float, float]:
        across = point[1] - path[1] if view == SIDE else point[0] - path[0]
        return middle + across * scale, floor - (point[2] - figure.ground) * scale

    depth = heads[:, 0] if view == SIDE else -heads[:, 1]
    for place in np.argsort(depth, kind="stable"):
        name = ROLES[place]
        colour = LEFT if name.startswith("Left") else RIGHT if name.startswith("Right") else TRUNK
        thick = THICK.get(name.removeprefix("Left").removeprefix("Right"), 0.035) * figure.leg
        end = tips[place] if CHILD[place] < 0 else heads[CHILD[place]]
        a, b = at(heads[place]), at(end)
        width = max(1, round(thick * scale))
        pen.line([a, b], fill=colour, width=width)
        for x, y in (a, b):
            pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=colour)
    x, y = at((heads[PLACE["Head"]] + tips[PLACE["Head"]]) / 2)
    radius = 0.12 * figure.leg * scale
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=TRUNK)
