# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion as numbers that a network or a codebook can work with, free of place, heading and proportions.

A frame is 22 rotations of six numbers, each joint against its parent and all against standing straight (the hips
without their heading), then the height of the hips, the speed ahead and to the left, and the speed of turning: 136
numbers (reference, section 7.3). They come back as a take on any figure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.motion.figure import CHILD, PARENTS, PLACE, ROLES, SIDES, Figure
from backend.motion.take import Take, heading_of
from backend.motion.turns import Array, about, from_six, six, transpose
from protocol.skeleton import Skeleton

WIDTH = 22 * 6 + 4
FPS = 30.0
FRAMES = 60  # of a window; AvatarCLIP's too


def average_figure() -> Figure:
    """A person of 1.75 m in a T, by which errors in metres are measured."""
    place = {"Hips": (0.0, 0.0, 0.98), "Spine": (0.0, 0.01, 1.08), "Spine1": (0.0, 0.02, 1.2),
             "Spine2": (0.0, 0.03, 1.32), "Neck": (0.0, 0.02, 1.52), "Head": (0.0, 0.0, 1.6)}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        place |= {
            f"{side}Shoulder": (sign * 0.03, 0.01, 1.46), f"{side}Arm": (sign * 0.18, 0.02, 1.46),
            f"{side}ForeArm": (sign * 0.46, 0.03, 1.46), f"{side}Hand": (sign * 0.71, 0.02, 1.46),
            f"{side}UpLeg": (sign * 0.09, 0.0, 0.93), f"{side}Leg": (sign * 0.1, -0.01, 0.5),
            f"{side}Foot": (sign * 0.11, 0.03, 0.085), f"{side}ToeBase": (sign * 0.125, -0.1, 0.02),
        }
    heads = np.array([place[name] for name in ROLES])
    tails = np.array([heads[child] if child >= 0 else 1.5 * heads[n] - 0.5 * heads[PARENTS[n]]
                      for n, child in enumerate(CHILD)])
    for side in SIDES:
        tails[PLACE[f"{side}ToeBase"]] = heads[PLACE[f"{side}ToeBase"]] + [0.0, -0.07, -0.01]
    return Figure.of(Skeleton(heads.astype(np.float32), tails.astype(np.float32),
                              np.tile(np.eye(3, dtype=np.float32), (22, 1, 1)), np.array(PARENTS, np.int16), ROLES))


def features(figure: Figure, take: Take) -> NDArray[np.float32]:
    """(T, 136) of a take."""
    world = take.turns @ transpose(figure.neutral)
    heading = heading_of(world[:, 0])
    back = about("z", -heading)
    local = np.empty_like(world)
    local[:, 0] = back @ world[:, 0]
    for place in range(1, len(ROLES)):
        local[:, place] = transpose(world[:, PARENTS[place]]) @ world[:, place]
    step = np.diff(take.root, axis=0, append=2 * take.root[-1:] - take.root[-2:-1]) * take.fps / figure.leg
    ahead = (back @ step[:, :, None])[..., 0]
    turning = np.diff(heading, append=2 * heading[-1:] - heading[-2:-1]) * take.fps
    return np.concatenate([
        six(local).reshape(len(take), -1), take.root[:, 2:] / figure.leg, -ahead[:, 1:2], ahead[:, :1],
        turning[:, None],
    ], 1).astype(np.float32)


def world_of(rotations: Array) -> Array:
    """(T, 22, 6) -> (T, 22, 3, 3) world turns against standing straight, facing ahead."""
    local = from_six(rotations)
    world = np.empty_like(local)
    world[:, 0] = local[:, 0]
    for place in range(1, len(ROLES)):
        world[:, place] = world[:, PARENTS[place]] @ local[:, place]
    return world


def take_of(figure: Figure, numbers: NDArray[np.float32], fps: float = FPS) -> Take:
    """A take on this figure out of (T, 136); contacts are to be found."""
    count = len(numbers)
    numbers_ = numbers.astype(np.float64)
    world = world_of(numbers_[:, :132].reshape(count, 22, 6))
    heading = np.concatenate([[0.0], np.cumsum(numbers_[:-1, 135]) / fps])
    face = about("z", heading)
    step = np.stack([numbers_[:, 134], -numbers_[:, 133], np.zeros(count)], -1) * figure.leg / fps
    way = np.concatenate([np.zeros((1, 3)), np.cumsum((face @ step[:, :, None])[:-1, :, 0], 0)])
    root = way + np.stack([0 * heading, 0 * heading, numbers_[:, 132] * figure.leg], -1)
    turns = face[:, None] @ world @ figure.neutral
    contacts, grip = np.zeros((count, 4), np.uint8), np.full((count, 2), 0.25)
    return Take(figure.conform(turns), root, contacts, grip, way[:, :2].copy(), fps)


def windows(figure: Figure, take: Take, count: int = FRAMES, step: int = 20) -> NDArray[np.float32]:
    """(N, count, 136) cuttings of a take at `FPS`; of one that is shorter, none; of a loop as if it went on."""
    whole = features(figure, take)
    if take.loop and len(whole) < count:
        whole = np.concatenate([whole] * (count // len(whole) + 1))
    if len(whole) < count:
        return np.empty((0, count, WIDTH), np.float32)
    return np.stack([whole[begin : begin + count] for begin in range(0, len(whole) - count + 1, step)])
