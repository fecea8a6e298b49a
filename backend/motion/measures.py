# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a motion acceptable, in numbers: standing feet that stand, loops that close, joints within their range.

Measured on the way of the figure with root motion; the usual ratio of low and fast toes punishes a right swing and is
given for comparison only (reference, section 7.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.motion.clean import heights, soles
from backend.motion.figure import Figure
from backend.motion.stance import joint_angles
from backend.motion.take import Take
from backend.motion.turns import Array

MEAN_SPEED, MOST_SPEED = 0.02, 0.05  # metres a second of feet that are planned to stand
SEAM = 0.001  # metres between the frame after the last and the first
RANGES = {"knee": (0.0, 140.0), "hip": (-30.0, 120.0), "elbow": (0.0, 150.0)}  # degrees
DEPTH = 0.005  # metres below the floor


@dataclass(frozen=True)
class Quality:
    """mean_speed, most_speed: m/s of standing heels and balls, 0 where none stands two frames long. seam: metres, what
    a loop's closing step differs by from the mean of its neighbours. ranges: degrees, lowest and highest. depth: metres
    of heels or balls below where they are when the figure stands. skating: height ratio for comparison."""

    mean_speed: float
    most_speed: float
    seam: float
    ranges: dict[str, tuple[float, float]]
    depth: float
    skating: float

    def faults(self) -> list[str]:
        """What is out of bounds, in words; empty for none."""
        faults = []
        if self.mean_speed > MEAN_SPEED or self.most_speed > MOST_SPEED:
            faults.append(f"standing feet move at {self.mean_speed:.3f}, at most {self.most_speed:.3f} m/s")
        if self.seam > SEAM:
            faults.append(f"the loop's seam is {self.seam * 1000:.1f} mm")
        for name, (low, high) in self.ranges.items():
            if low < RANGES[name][0] - 0.5 or high > RANGES[name][1] + 0.5:
                faults.append(f"a {name} bends from {low:.0f} to {high:.0f} degrees")
        if self.depth > DEPTH:
            faults.append(f"a foot is {self.depth * 1000:.0f} mm below the floor")
        return faults


def quality(figure: Figure, take: Take) -> Quality:
    """Of a take with root motion."""
    points = soles(figure, take)
    stands = take.contacts.astype(bool)
    if take.loop:
        after = np.concatenate([points[1:], points[:1] + [*take.stride, 0.0]])
        both = stands & np.concatenate([stands[1:], stands[:1]])
    else:
        after, points_, both = points[1:], points[:-1], stands[:-1] & stands[1:]
        points = points_
    speed = np.linalg.norm(after - points, axis=-1) * take.fps
    standing = speed[both]
    angles = joint_angles(figure, take.turns)
    ranges = {name: (float(min(angles[f"{side} {name}"].min() for side in ("left", "right"))),
                     float(max(angles[f"{side} {name}"].max() for side in ("left", "right")))) for name in RANGES}
    up = heights(figure, points)
    low = (up[:, [1, 3]] < 0.05) & (heights(figure, after)[:, [1, 3]] < 0.05)
    return Quality(
        float(standing.mean()) if standing.size else 0.0, float(standing.max()) if standing.size else 0.0,
        seam(figure, take) if take.loop else 0.0, ranges, float(max(0.0, -heights(figure, soles(figure, take)).min())),
        float((low & (speed[:, [1, 3]] > 0.2)).mean()),
    )


def seam(figure: Figure, take: Take) -> float:
    """Metres by which joints jump where a loop begins again: how far a frame lies from the curve through its four
    neighbours, the largest where the seam is among them less the largest elsewhere. A loop whose seam is as smooth as
    the rest of it has 0; one that misses its beginning by 1 cm has about 1 cm. A loop of a single stride may show some
    millimetres where a heel strikes at its seam and nowhere else: measure two."""
    heads, _ = figure.positions(take.turns, take.root)
    stride = np.array([*take.stride, 0.0])
    around = np.concatenate([heads[-2:] - stride, heads, heads[:2] + stride])
    off = np.linalg.norm(_off(around), axis=-1).max(-1)  # of every frame
    near = np.array([0, 1, len(take) - 2, len(take) - 1])
    far = np.setdiff1d(np.arange(len(take)), near)
    return float(max(0.0, off[near].max() - (off[far].max() if len(far) else 0.0)))


def _off(frames: Array) -> Array:
    """(T + 4, ...) -> (T, ...): each frame against the cubic through two frames before and two after it (Lagrange)."""
    return np.asarray(frames[2:-2] - (4 * (frames[1:-3] + frames[3:-1]) - (frames[:-4] + frames[4:])) / 6.0)
