# SPDX-License-Identifier: GPL-3.0-or-later
"""One stretch of motion on one figure, and what can be done with it: cut, warp, mirror, blend, layer, join, loop.

A take says the world turn of each of the 22 roles and the way of the hips. Nothing here makes or judges motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.motion.figure import MIRRORED, PARENTS, PLACE, ROLES, UPPER, Figure
from backend.motion.turns import Array, about, blend, transpose
from protocol.motion import Motion

REFLECT = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Take:
    """turns (T, 22, 3, 3): world turn of each role against its rest. root (T, 3) metres: the hips against their rest.
    contacts (T, 4): planned or found, as in protocol.motion. grip (T, 2): how far the hands are closed, 0..1. path
    (T, 2) metres: where the figure is on the floor, without sway. fps. loop: the frame after the last is the first
    again, moved on by `stride` (x, y) metres."""

    turns: Array
    root: Array
    contacts: NDArray[np.uint8]
    grip: Array
    path: Array
    fps: float
    loop: bool = False
    stride: tuple[float, float] = (0.0, 0.0)

    def __len__(self) -> int:
        return len(self.turns)

    @property
    def seconds(self) -> float:
        return (len(self) if self.loop else len(self) - 1) / self.fps


def place_on_ground(take: Take, at: Sequence[float] = (0.0, 0.0), heading: float = 0.0) -> Take:
    """The take begun at `at` on the floor and turned by `heading` about Z."""
    turn = about("z", heading)
    begin = np.array([*take.path[0], 0.0])
    root = (take.root - begin) @ turn.T + np.array([*at, 0.0])
    path = (take.path - take.path[0]) @ turn[:2, :2].T + np.asarray(at)
    stride = turn[:2, :2] @ np.asarray(take.stride)
    return replace(take, turns=turn @ take.turns, root=root, path=path, stride=(float(stride[0]), float(stride[1])))


def at_times(take: Take, seconds: Array, fps: float | None = None) -> Take:
    """The take at given times; those past the end of a loop go on with it, others stay at the ends."""
    place = np.asarray(seconds, np.float64) * take.fps
    count = len(take)
    if take.loop:
        rounds, place = np.divmod(place, count)
        low = np.minimum(np.floor(place).astype(int), count - 1)
        high = (low + 1) % count
        turn_over = (low + 1 == count).astype(float)
    else:
        rounds = np.zeros_like(place)
        place = np.clip(place, 0.0, count - 1)
        low = np.minimum(np.floor(place).astype(int), max(count - 2, 0))
        high = np.minimum(low + 1, count - 1)
        turn_over = np.zeros_like(place)
    share = place - low
    stride = np.asarray(take.stride)
    step = turn_over[:, None] * stride
    path = take.path[low] * (1 - share)[:, None] + (take.path[high] + step) * share[:, None] + rounds[:, None] * stride
    root = take.root[low] * (1 - share)[:, None] + take.root[high] * share[:, None]
    root[:, :2] += step * share[:, None] + rounds[:, None] * stride
    near = np.where(share < 0.5, low, high)
    both = take.contacts[low] & take.contacts[high]
    return replace(
        take, turns=blend(take.turns[low], take.turns[high], share[:, None]), root=root, path=path,
        contacts=np.where((share > 1e-6)[:, None], both, take.contacts[low]).astype(np.uint8), grip=take.grip[near],
        fps=take.fps if fps is None else fps,
    )


def resample(take: Take, fps: float, speed: float = 1.0, frames: int = 0) -> Take:
    """The take at another frame rate and `speed` times as fast; of a loop the whole number of frames that is nearest.
    frames: exactly so many instead, of one round of a loop or from its beginning to its end."""
    seconds = take.seconds / speed
    count = frames or max(2, round(seconds * fps) + (0 if take.loop else 1))
    whole = take.seconds
    times = np.arange(count) * (whole / (count if take.loop else max(count - 1, 1)))
    return at_times(take, times, fps)


def mirror(take: Take) -> Take:
    """Left becomes right."""
    root, path = take.root * [-1.0, 1.0, 1.0], take.path * [-1.0, 1.0]
    return replace(
        take, turns=REFLECT @ take.turns[:, MIRRORED] @ REFLECT, root=root, path=path,
        contacts=take.contacts[:, [2, 3, 0, 1]], grip=take.grip[:, ::-1], stride=(-take.stride[0], take.stride[1]),
    )


def crossfade(a: Take, b: Take, share: Array) -> Take:
    """Two takes of one length, from a (share 0) to b (share 1); share (T,). They should stand on the same spot."""
    s: Array = np.asarray(share, np.float64)
    row: Array = s[:, None]
    contacts = np.where(row < 0.01, a.contacts, np.where(row > 0.99, b.contacts, a.contacts & b.contacts))
    return replace(
        a, turns=blend(a.turns, b.turns, s[:, None]), root=a.root * (1 - row) + b.root * row,
        path=a.path * (1 - row) + b.path * row, grip=a.grip * (1 - row) + b.grip * row,
        contacts=contacts.astype(np.uint8),
    )


def layer(base: Take, over: Take, joints: Sequence[int] = UPPER, share: Array | float = 1.0) -> Take:
    """The joints of `over` on the legs and the way of `base`: each keeps its turn against the chest or its parent.

    Arms, and the head with its neck, go over as they stand to the chest of `over`; the spine keeps that of the base
    where it is not among the joints. `over` must be as long as the base.
    """
    chosen = set(joints)
    result = base.turns.copy()
    share = np.broadcast_to(np.asarray(share, np.float64), len(base))
    for place in range(len(ROLES)):
        if place not in chosen:
            if place and PARENTS[place] in chosen:  # carried along by what moved below it
                local = transpose(base.turns[:, PARENTS[place]]) @ base.turns[:, place]
                result[:, place] = result[:, PARENTS[place]] @ local
            continue
        parent = PARENTS[place]
        mine = transpose(base.turns[:, parent]) @ base.turns[:, place]
        its = transpose(over.turns[:, parent]) @ over.turns[:, place]
        result[:, place] = result[:, parent] @ blend(mine, its, share)
    grip = base.grip.copy()
    for side, name in enumerate(("LeftHand", "RightHand")):
        if PLACE[name] in chosen:
            grip[:, side] = base.grip[:, side] * (1 - share) + over.grip[:, side] * share
    return replace(base, turns=result, grip=grip)


def smooth_step(count: int) -> Array:
    """(count,) from near 0 to near 1 without a kink at either end."""
    x = (np.arange(count) + 1.0) / (count + 1.0)
    return np.asarray(x * x * x * (x * (6 * x - 15) + 10))


def heading_of(turns: Array) -> Array:
    """(T,) radians: where the hips face, counter-clockwise from -Y; from the turn of the hips (T, 3, 3)."""
    ahead = turns @ np.array([0.0, -1.0, 0.0])
    return np.unwrap(np.arctan2(ahead[..., 0], -ahead[..., 1]))


def join(takes: Sequence[Take], seconds: float = 0.3) -> Take:
    """One take after another, each begun where the one before ended and faced as that did, blended over `seconds`."""
    whole = replace(takes[0], loop=False, stride=(0.0, 0.0))
    for follower in takes[1:]:
        heading = heading_of(whole.turns[-1:, 0])[0] - heading_of(follower.turns[:1, 0])[0]
        follower = place_on_ground(replace(follower, loop=False, stride=(0.0, 0.0)), whole.path[-1], heading)
        count = max(1, min(round(seconds * whole.fps), len(whole) - 1, len(follower) - 1))
        last = at_times(whole, np.full(count, (len(whole) - 1) / whole.fps))  # held, while the next begins
        first = cut(follower, 0, count)
        mixed = crossfade(last, first, smooth_step(count))
        whole = _append(_append(whole, mixed), cut(follower, count, len(follower)))
    return whole


def cut(take: Take, begin: int, end: int) -> Take:
    """Frames begin to end - 1; no loop any more."""
    return replace(
        take, turns=take.turns[begin:end], root=take.root[begin:end], contacts=take.contacts[begin:end],
        grip=take.grip[begin:end], path=take.path[begin:end], loop=False, stride=(0.0, 0.0),
    )


def _append(a: Take, b: Take) -> Take:
    return replace(
        a, turns=np.concatenate([a.turns, b.turns]), root=np.concatenate([a.root, b.root]),
        contacts=np.concatenate([a.contacts, b.contacts]), grip=np.concatenate([a.grip, b.grip]),
        path=np.concatenate([a.path, b.path]),
    )


def in_place(take: Take) -> Take:
    """The same without its way over the floor; sway, bob and turns stay."""
    root = take.root.copy()
    root[:, :2] -= take.path - take.path[:1]
    return replace(take, root=root, path=np.repeat(take.path[:1], len(take), 0), stride=(0.0, 0.0))


def to_motion(take: Take, figure: Figure, root_mode: str) -> Motion:
    """What travels: `root_mode` as in protocol.motion."""
    shown = in_place(take) if root_mode == "in_place" else take
    rotations, root = figure.keys(shown.turns, shown.root, shown.grip)
    return Motion(rotations, root, np.ascontiguousarray(take.contacts, np.uint8), take.fps, take.loop, root_mode,
                  (float(shown.stride[0]), float(shown.stride[1]), 0.0))
