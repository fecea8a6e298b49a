# SPDX-License-Identifier: GPL-3.0-or-later
"""One figure's motion on another: world turns against the bind pose, aligned where the two rest differently.

If the target's limb rests along r and the source's is bound along s, the target first takes the smallest turn from r
to s and then the source's world turn, so its limbs point exactly where the source's do, whatever axes its bones have
(reference, section 7.3). The way of the hips is scaled by how high they stand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backend.motion.clean import found_contacts, heights, lifted, looped, pinned, soles
from backend.motion.figure import CHILD, PARENTS, PLACE, ROLES, Figure
from backend.motion.take import Take, place_on_ground
from backend.motion.turns import Array, between

KEPT = tuple(PLACE[name] for name in ("Hips", "Spine", "Spine1", "Spine2"))
"""A trunk's bones run differently in every skeleton without meaning another posture; they take the turns as they
are."""
STILL = 0.12  # legs: a clip whose hips move less than this a round is taken for one in place
BUSY = 0.25  # metres a second: and whose feet slide faster is pinned


@dataclass(frozen=True, eq=False)
class Clip:
    """A recorded motion. figure: whom it was recorded on; take: its world turns against that figure's rest."""

    name: str
    figure: Figure
    take: Take


def aligned(source: Figure, target: Figure) -> Array:
    """(22, 3, 3): from the target's rest to the source's, limb by limb."""
    turns = np.tile(np.eye(3), (len(ROLES), 1, 1))
    for place in range(len(ROLES)):
        if place in KEPT:
            continue
        if CHILD[place] < 0:
            turns[place] = turns[PARENTS[place]] if "Toe" not in ROLES[place] else np.eye(3)
        elif "Foot" in ROLES[place]:  # feet stand flat at rest on both: only their heading is carried over
            flat = [1.0, 1.0, 0.0]
            turns[place] = between(target.directions[place] * flat, source.directions[place] * flat)
        else:
            turns[place] = between(target.directions[place], source.directions[place])
    for side in ("Left", "Right"):
        turns[PLACE[side + "ToeBase"]] = turns[PLACE[side + "Foot"]]
    return turns


def retarget(take: Take, source: Figure, target: Figure) -> Take:
    """The take on another figure."""
    scale = target.hip_height / source.hip_height
    return replace(
        take, turns=target.conform(take.turns @ aligned(source, target)), root=take.root * scale,
        path=take.path * scale, stride=(take.stride[0] * scale, take.stride[1] * scale),
    )


def carried(clip: Clip, figure: Figure) -> Take:
    """A clip on a figure, with its way over the floor and its contacts found, begun at the origin facing forward."""
    take = clip.take
    if "loop" in clip.name.lower() and not take.loop:
        take = looped(clip.figure, take)
    way = take.path[-1] - take.path[0]
    if np.linalg.norm(way) < STILL * clip.figure.leg and _slides(clip.figure, take):
        take = pinned(clip.figure, take)
    take = replace(take, contacts=found_contacts(clip.figure, take))
    take = lifted(figure, retarget(take, clip.figure, figure))
    return place_on_ground(take)


def _slides(figure: Figure, take: Take) -> bool:
    """Whether the lower foot moves over the floor most of the time, as it does in a walk in place."""
    points = soles(figure, take)
    up = heights(figure, points)[:, [1, 3]]
    speed = np.linalg.norm(np.diff(points[:, [1, 3], :2], axis=0), axis=-1) * take.fps
    lower = up[1:].argmin(1)
    return len(take) > 3 and float(np.median(speed[np.arange(len(lower)), lower])) > BUSY
