# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleaning up: which feet stand, the way that a clip in place would go, feet held where they stand, loops closed.

What generators plan they also keep; this is for what was recorded, blended or layered (reference, section 7.3).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backend.motion.figure import PLACE, SIDES, Figure
from backend.motion.stance import HEEL, REACH, smoothly_over, stand_of, two_bones
from backend.motion.take import Take, cut
from backend.motion.turns import Array, blend, transpose

LOW = 0.05  # of a figure with legs of 0.9 m: what is lower over its height at rest may stand, metres
PIN_LOW = 0.06
SLOW = 0.35  # metres a second: what is slower stands
SHORTEST = 3  # frames of a contact
SEAM = 0.01  # metres: a larger gap between a loop's ends is blended
MOST_SPEED = 1.2  # metres a second at which a gap is closed
LEG = 0.9


def soles(figure: Figure, take: Take) -> Array:
    """(T, 4, 3) where left heel, left ball, right heel, right ball are."""
    heads, _ = figure.positions(take.turns, take.root)
    stand = stand_of(figure)
    points = []
    for side, word in enumerate(SIDES):
        foot, ball = PLACE[word + "Foot"], PLACE[word + "ToeBase"]
        heel = figure.heads[ball] + figure.neutral[foot].T @ (stand.ankle[side] * [1 + HEEL, 1 + HEEL, 0.0])
        heel[2] = figure.ground
        points.append(heads[:, foot] + (take.turns[:, foot] @ (heel - figure.heads[foot])[:, None])[..., 0])
        points.append(heads[:, ball])
    return np.stack(points, 1)


def heights(figure: Figure, points: Array) -> Array:
    """(T, 4) of `soles` over where they are when the figure stands."""
    rest = np.array([figure.ground, figure.heads[PLACE["LeftToeBase"], 2], figure.ground,
                     figure.heads[PLACE["RightToeBase"], 2]])
    return points[..., 2] - rest


def pinned(figure: Figure, take: Take) -> Take:
    """A clip in place gets the way that its feet speak of: the lower foot does not slide."""
    points = soles(figure, take)
    toes, up = points[:, [1, 3]], heights(figure, points)[:, [1, 3]]
    up = up - np.percentile(up, 2)
    limit = PIN_LOW * figure.leg / LEG
    step = np.zeros((len(take), 2))
    for frame in range(1, len(take)):
        worst = np.maximum(up[frame], up[frame - 1])
        side = int(worst.argmin())
        step[frame] = -(toes[frame, side, :2] - toes[frame - 1, side, :2]) if worst[side] < limit else step[frame - 1]
    if take.loop:
        worst = np.maximum(up[0], up[-1])
        side = int(worst.argmin())
        last = -(toes[0, side, :2] - toes[-1, side, :2]) if worst[side] < limit else step[-1]
    else:
        last = np.zeros(2)
    if (up.min(1) > limit).all():
        return take
    way = np.cumsum(step, 0)
    stride = way[-1] + last
    if take.loop:  # a steady way; what is uneven in it is sway
        path = np.arange(len(take))[:, None] / len(take) * stride
    else:
        path = gaussian_filter1d(way, 0.25 * take.fps, axis=0, mode="nearest")
    root = take.root.copy()
    root[:, :2] += way
    return replace(take, root=root, path=take.path[:1] + path,
                   stride=(float(stride[0]), float(stride[1])) if take.loop else (0.0, 0.0))


def found_contacts(figure: Figure, take: Take) -> NDArray[np.uint8]:
    """(T, 4): low and slow points of the feet, at least 3 frames together. The way must be that of the feet."""
    points = soles(figure, take)
    up = heights(figure, points)
    up = up - np.percentile(up, 2, axis=0)
    after = np.concatenate([points[1:], points[:1] + [*take.stride, 0.0] if take.loop else points[-1:]])
    speed = np.linalg.norm(after - points, axis=-1) * take.fps
    speed = np.minimum(speed, np.concatenate([speed[:1], speed[:-1]]))
    low = up < LOW * figure.leg / LEG
    contacts = np.zeros(up.shape, np.uint8)
    for column in range(4):
        limit = max(SLOW, float(np.median(speed[low[:, column], column])) if low[:, column].any() else 0.0)
        contacts[:, column] = _long_enough(low[:, column] & (speed[:, column] < min(limit, 1.2)), take.loop)
    return contacts


def _long_enough(flags: NDArray[np.bool_], loop: bool) -> NDArray[np.bool_]:
    result = flags.copy()
    for begin, end in runs(flags):
        whole = loop and (begin == 0 or end == len(flags)) and flags[0] and flags[-1]
        if end - begin < SHORTEST and not whole:
            result[begin:end] = False
    return result


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(begin, end) of the stretches where a flag is set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def stretches(flags: NDArray[np.bool_], loop: bool) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(frames, how often the loop has come round at each) of the stretches where a flag is set; of a loop one that goes
    over its end is one."""
    found = [(np.arange(begin, end), np.zeros(end - begin, np.int64)) for begin, end in runs(flags)]
    if loop and len(found) > 1 and flags[0] and flags[-1]:
        first, last = found[0], found.pop()
        found[0] = (np.concatenate([last[0], first[0]]), np.concatenate([last[1], first[1] + 1]))
    return found


def planted(figure: Figure, take: Take, ease: float = 0.13) -> Take:
    """Feet held where they stand, by two-bone inverse kinematics; what a leg lacks to get there is eased in and out
    over `ease` seconds outside of the contact, so that standing frames are exact. The feet keep their turns; the hips
    go down, smoothly, where a leg would not reach."""
    count = max(1, round(ease * take.fps))
    every = soles(figure, take)
    heads, _ = figure.positions(take.turns, take.root)
    shifts = np.zeros((2, len(take), 3))
    lower = np.zeros(len(take))
    for side, word in enumerate(SIDES):
        stands = take.contacts[:, 2 * side : 2 * side + 2].astype(bool)
        points = every[:, 2 * side : 2 * side + 2]
        floors = (figure.ground, figure.heads[PLACE[word + "ToeBase"], 2])
        shift = np.zeros((len(take), 3))
        held = np.zeros(len(take), bool)
        for frames, laps in stretches(stands.any(1), take.loop):
            point, place = -1, points[frames[0], 0]
            for n, frame in enumerate(frames):
                here = points[frame] + laps[n] * np.array([*take.stride, 0.0])
                leads = 1 if stands[frame, 1] else 0  # the ball, and where it does not stand, the heel
                if point < 0:
                    point, place = leads, here[leads].copy()
                    place[2] = max(place[2], floors[leads])
                shift[frame] = place - here[point]
                if leads != point:  # from the heel to the ball: where that is now is where it stays
                    point, place = leads, here[leads] + shift[frame]
            middle = shift[frames].mean(0)  # stay near where the clip has the foot on the whole
            middle[2] = 0.0
            shift[frames] -= middle
            held[frames] = True
        shifts[side] = _eased(shift, held, count, take.loop)
        way = heads[:, PLACE[word + "Foot"]] + shifts[side] - heads[:, PLACE[word + "UpLeg"]]
        longest = REACH * (figure.thigh[side] + figure.shin[side])
        room = np.sqrt(np.maximum(longest**2 - (way[:, :2] ** 2).sum(1), (0.3 * longest) ** 2))
        lower = np.maximum(lower, np.where(held, -way[:, 2] - room, 0.0))
    if lower.max() > 1e-6:
        drop = smoothly_over(lower, take.fps, take.loop)
        take = replace(take, root=take.root - drop[:, None] * [0.0, 0.0, 1.0])
        shifts[:, :, 2] += drop
    for side in range(2):
        take = replace(take, turns=_moved(figure, take, side, shifts[side]))
    return replace(take, turns=figure.conform(take.turns))


def _eased(shift: Array, held: NDArray[np.bool_], count: int, loop: bool) -> Array:
    """Shifts of held frames, let go over `count` frames on either side."""
    total = len(shift)
    if held.all():
        return shift
    result = np.where(held[:, None], shift, 0.0)
    weight = np.where(held, 1.0, 0.0)
    for frames, _ in stretches(held, loop):
        for n in range(1, count + 1):
            share = 0.5 + 0.5 * np.cos(np.pi * n / (count + 1))
            for frame, source in ((frames[0] - n, frames[0]), (frames[-1] + n, frames[-1])):
                frame = frame % total if loop else frame
                if 0 <= frame < total and not held[frame] and share > weight[frame]:
                    weight[frame], result[frame] = share, shift[source] * share
    return np.asarray(result)


def _moved(figure: Figure, take: Take, side: int, shift: Array) -> Array:
    """The leg's turns when its ankle is moved by `shift` (T, 3) metres; the knee keeps its plane."""
    word = SIDES[side]
    heads, _ = figure.positions(take.turns, take.root)
    hip, knee, ankle = (heads[:, PLACE[word + part]] for part in ("UpLeg", "Leg", "Foot"))
    turns = take.turns.copy()
    upper, lower = PLACE[word + "UpLeg"], PLACE[word + "Leg"]
    straight = transpose(figure.neutral)
    # The hinge: across both bones where they bend, else the thigh's own.
    across = np.cross(knee - hip, ankle - knee)
    own = (take.turns[:, upper] @ straight[upper])[..., 0]
    size = np.linalg.norm(across, axis=-1, keepdims=True)
    sharp = np.clip(size / (0.06 * figure.leg**2), 0, 1)
    hinge = -sharp * across / np.maximum(size, 1e-9)
    hinge = np.where((hinge * own).sum(-1, keepdims=True) < 0, -hinge, hinge) + (1 - sharp) * own
    moved = np.abs(shift).max(-1) > 1e-9
    if not moved.any():
        return turns
    before_upper, before_lower = two_bones(ankle - hip, hinge, figure.thigh[side], figure.shin[side], 1.0)
    new_upper, new_lower = two_bones(ankle + shift - hip, hinge, figure.thigh[side], figure.shin[side], 1.0)
    turns[moved, upper] = (new_upper @ transpose(before_upper) @ turns[:, upper])[moved]
    turns[moved, lower] = (new_lower @ transpose(before_lower) @ turns[:, lower])[moved]
    return turns


def lifted(figure: Figure, take: Take) -> Take:
    """Raised, smoothly, where feet would go below the floor."""
    below = np.minimum(heights(figure, soles(figure, take)).min(1), 0.0)
    if below.min() > -1e-3:
        return take
    smooth = gaussian_filter1d(below, 0.06 * take.fps, mode="wrap" if take.loop else "nearest")
    root = take.root.copy()
    root[:, 2] -= np.minimum(below, smooth)
    return replace(take, root=root)


def looped(figure: Figure, take: Take, seconds: float = 0.3, always: bool = False) -> Take:
    """The take as a loop: its last frames are led into its first ones where the gap is above 1 cm (or `always`)."""
    heads, _ = figure.positions(take.turns, take.root)
    way = take.path[-1] - take.path[0]
    gap = float(np.linalg.norm(heads[0] + [*way, 0.0] - heads[-1], axis=-1).max())
    step = float(np.linalg.norm(heads[-1] - heads[-2], axis=-1).max()) if len(take) > 1 else 0.0
    if gap <= max(SEAM, 0.5 * step) and not always:  # the last frame is the first once more
        return replace(cut(take, 0, len(take) - 1), loop=True, stride=(float(way[0]), float(way[1])))
    if gap <= 1.5 * step and not always:  # the first frame would be the next one
        stride = way + take.path[-1] - take.path[-2]
        return replace(take, loop=True, stride=(float(stride[0]), float(stride[1])))
    seconds = max(seconds, min(gap / MOST_SPEED, 0.8))
    count = max(2, min(round(seconds * take.fps), len(take) // 2))
    share = np.linspace(0.0, 1.0, count + 1)[1:]
    share = share**3 * (share * (6 * share - 15) + 10)
    turns, root = take.turns.copy(), take.root.copy()
    turns[-count:] = blend(turns[-count:], np.repeat(take.turns[:1], count, 0), share[:, None])
    goal = take.root[0] + [*way, 0.0]
    root[-count:] += share[:, None] * (goal - take.root[-1])
    closed = cut(replace(take, turns=turns, root=root), 0, len(take) - 1)  # the last frame has become the first
    return replace(closed, loop=True, stride=(float(way[0]), float(way[1])))
