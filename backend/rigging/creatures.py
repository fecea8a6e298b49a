# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh is taken for, and where its front is: by its tips, its feet and its proportions.

A guess is only a default: the spec can say both, and the report says what was guessed.
"""

from __future__ import annotations

import numpy as np

from backend.rigging.intake import Intake
from backend.rigging.medial import Branch, Medial

TIP = 0.12  # of the bounding box's diagonal; shorter branches are no limbs


def tips_of(given: Intake) -> tuple[Medial, list[Branch]]:
    """The medial tree of a mesh and its limbs."""
    medial = Medial(given.solid)
    return medial, medial.tips(TIP * float(np.linalg.norm(np.ptp(given.points, axis=0))))


def classify(given: Intake, tips: list[Branch]) -> tuple[str, bool]:
    """(creature, whether that is sure) of a mesh whose front may point anywhere."""
    low, high = given.points.min(0), given.points.max(0)
    extent = high - low
    ground = [one for one in tips if one.tip[2] < low[2] + 0.15 * extent[2]]
    wide, narrow = max(extent[0], extent[1]), min(extent[0], extent[1])
    if len(ground) >= 6 and extent[2] < 0.8 * wide:
        return "spider", True
    if len(tips) <= 3 and wide > 5 * max(narrow, extent[2]):
        return "snake", True
    upright = extent[2] > 0.75 * wide and extent[2] > 1.6 * narrow
    top = [one for one in tips if one.tip[2] > low[2] + 0.75 * extent[2]]
    if upright and len(ground) == 2 and top:
        return "humanoid", True
    if len(ground) == 4 and wide > 0.6 * extent[2]:
        return "quadruped", True
    if len(ground) == 2 and not upright and len(tips) >= 4:
        return "bird", False
    if len(tips) <= 3 and narrow < 0.5 * wide and extent[2] < 0.8 * wide and len(ground) == 0:
        return "fish", False
    if upright and len(ground) in (1, 2, 3) and extent[2] > 2.2 * narrow:
        return "humanoid", False
    return "prop", False


def facing(given: Intake, medial: Medial, tips: list[Branch], creature: str) -> int:
    """Quarter turns that bring the front of a creature other than a humanoid to -Y; 0 where nothing tells."""
    low, high = given.points.min(0), given.points.max(0)
    extent = high - low
    free = [one for one in tips if one.tip[2] >= low[2] + 0.2 * extent[2]]
    if creature == "quadruped" and len(free) >= 2:
        ends = sorted(free, key=lambda one: -float(np.linalg.norm((one.tip - 0.5 * (low + high))[:2])))[:2]
        head, tail = sorted(ends, key=_like_a_head, reverse=True)
        return _quarters((head.tip - tail.tip)[:2])
    if creature == "spider":
        legs = [one for one in tips if one.tip[2] < low[2] + 0.25 * extent[2]]
        way = np.mean([one.points[-1] for one in legs], axis=0) - medial.centres[medial.core()] if legs else np.zeros(3)
        return _quarters(way[:2]) if np.abs(way[:2]).max() > 0.03 * extent[:2].max() else 0  # the abdomen is behind
    if creature == "fish" and extent[0] > 1.3 * extent[1]:
        return 1
    return 0


def _like_a_head(one: Branch) -> float:
    """Heads are thicker than tails and held higher."""
    outer = one.depth[: max(len(one.depth) // 2, 1)]
    return float(outer.mean()) + 0.05 * float(one.tip[2])


def _quarters(way: np.ndarray) -> int:
    """Quarter turns, clockwise from above, that bring a direction in the plane nearest to -Y."""
    x, y = way
    if abs(y) >= abs(x):
        return 0 if y < 0 else 2
    return 1 if x > 0 else 3
