# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones put together one by one, with rest frames that artists expect: y along the bone, bending about x."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocol.skeleton import Skeleton

SHORTEST = 1e-4  # metres; bones without a length have no direction

Floats = NDArray[np.float64]


def frame(direction: Floats) -> Floats:
    """(3, 3) rest frame of a bone along `direction`, of a creature that faces -Y.

    In the plane between left and right its x axis points to the creature's left, so that turning about x bends it
    forward or back; where it runs sideways itself, its z axis points up.
    """
    y = direction / np.linalg.norm(direction)
    if abs(y[0]) < 0.85:
        x = np.array([1.0, 0.0, 0.0]) - y[0] * y
    else:
        x = np.cross(y, np.array([0.0, 0.0, 1.0]))
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], 1)


class Bones:
    """A skeleton in the making; parents are named and come first."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.parents: list[int] = []
        self.heads: list[Floats] = []
        self.tails: list[Floats] = []

    def add(self, name: str, parent: str, head: NDArray[np.floating], tail: NDArray[np.floating]) -> str:
        """A bone from head to tail; `parent` is empty for the root. Returns the name."""
        head, tail = np.asarray(head, np.float64), np.asarray(tail, np.float64)
        if np.linalg.norm(tail - head) < SHORTEST:
            tail = head + np.array([0.0, 0.0, 10 * SHORTEST])
        self.parents.append(self.names.index(parent) if parent else -1)
        self.names.append(name)
        self.heads.append(head)
        self.tails.append(tail)
        return name

    def chain(self, names: list[str], parent: str, points: NDArray[np.floating]) -> str:
        """len(names) bones through len(names) + 1 points (N, 3), each on the one before. Returns the last name."""
        for name, head, tail in zip(names, points[:-1], points[1:], strict=True):
            parent = self.add(name, parent, head, tail)
        return parent

    def skeleton(self) -> Skeleton:
        """What was put together."""
        heads, tails = np.array(self.heads), np.array(self.tails)
        frames = np.array([frame(tail - head) for head, tail in zip(heads, tails, strict=True)])
        return Skeleton(heads.astype(np.float32), tails.astype(np.float32), frames.astype(np.float32),
                        np.array(self.parents, np.int16), tuple(self.names))
