# SPDX-License-Identifier: GPL-3.0-or-later
"""What all animals share: a template's skeleton by its joints' names, limbs that reach, necks and tails that sway, and
the way from world turns to a motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.motion.manner import Manner
from backend.motion.turns import Array, between, euler, quaternions, transpose, unit
from protocol.motion import Motion, continuous
from protocol.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Creature:
    """A template's skeleton. names: the internal ones of its joints."""

    skeleton: Skeleton
    names: tuple[str, ...]

    def at(self, name: str) -> int:
        return self.names.index(name)

    def chain(self, stem: str) -> list[int]:
        """Joints called Tail, Tail1, Tail2, ... in order."""
        return [n for n, name in enumerate(self.names)
                if name == stem or (name.startswith(stem) and name[len(stem) :].isdigit())]

    def heads(self, turns: Array, root: Array) -> Array:
        """World turns (T, J, 3, 3) and the root's way (T, 3) -> (T, J, 3)."""
        places = np.empty((*turns.shape[:2], 3))
        rest = self.skeleton.heads.astype(np.float64)
        for joint, parent in enumerate(self.skeleton.parents):
            if parent < 0:
                places[:, joint] = rest[joint] + (root if joint == 0 else 0.0)
            else:
                places[:, joint] = places[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
        return places


def motion_of(creature: Creature, turns: Array, root: Array, path: Array, contacts: NDArray[np.uint8], fps: float,
            stride: Array, root_mode: str) -> Motion:
    """A loop out of world turns (T, J, 3, 3), the root's way and the path over the floor (T, 3)."""
    skeleton = creature.skeleton
    rest = skeleton.rotations.astype(np.float64)
    above = np.where(skeleton.parents[:, None, None] >= 0, turns[:, np.maximum(skeleton.parents, 0)], np.eye(3))
    local = transpose(rest) @ transpose(above) @ turns @ rest
    if root_mode == "in_place":
        root, stride = root - path, np.zeros(3)
    return Motion(continuous(quaternions(local).astype(np.float32)), np.ascontiguousarray(root, np.float32), contacts,
                  fps, True, root_mode, (float(stride[0]), float(stride[1]), float(stride[2])))


def carry(creature: Creature, turns: Array, moved: set[int]) -> None:
    """Joints that nobody turned go with the joint above; parents come first."""
    for joint, parent in enumerate(creature.skeleton.parents):
        if joint not in moved and parent >= 0:
            turns[:, joint] = turns[:, parent]


def limb(first: Array, second: Array, way: Array) -> tuple[Array, Array]:
    """World turns (T, 3, 3) of two bones that lie along `first` and `second` (3,) at rest and whose end shall go by
    `way` (T, 3): bent more or less about their own hinge, then swung. Straight ones bend about X."""
    a, b = np.linalg.norm(first), np.linalg.norm(second)
    hinge = np.cross(first, second)
    hinge = unit(hinge) if np.linalg.norm(hinge) > 1e-4 * a * b else np.array([1.0, 0.0, 0.0])
    reach = np.clip(np.linalg.norm(way, axis=-1), abs(a - b) + 1e-4 * (a + b), (a + b) * 0.9999)
    bent = np.arccos(np.clip((reach**2 - a**2 - b**2) / (2 * a * b), -1, 1))  # between the bones' directions
    now = np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)
    turn = _about_axis(hinge, bent - now)
    end = first + turn @ second
    swing = between(end, way)
    return swing, swing @ turn


def _about_axis(axis: Array, angle: Array) -> Array:
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * k + (1 - c) * (k @ k))


def whole_rounds(frames: int, fps: float, period: float) -> tuple[int, int, float]:
    """(frames, whole rounds in them, seconds of a round)."""
    frames = frames or max(8, round(period * fps))
    rounds = max(1, round(frames / fps / period))
    return frames, rounds, frames / fps / rounds


def shares(joints: Sequence[int]) -> list[tuple[float, int]]:
    """Each joint of a chain with how far along it lies, above 0 to 1."""
    return [((n + 1) / max(len(joints), 1), joint) for n, joint in enumerate(joints)]


def sway(creature: Creature, turns: Array, wave: Array, manner: Manner, moved: set[int]) -> None:
    """Neck, head and tail: a nod against the steps, a tail that sways behind them."""
    parents = creature.skeleton.parents
    neck = [*creature.chain("Neck"), *(n for n, name in enumerate(creature.names) if name == "Head")]
    for share, joint in shares(neck):
        bend = np.stack([0.07 * np.sin(2 * wave + 2.2 - share) + manner.nod * 0.4, 0 * wave,
                         0.05 * np.sin(wave + 2.0) + 0.15 * manner.turn_head * np.sin(wave)], -1)
        turns[:, joint] = turns[:, parents[joint]] @ euler(bend)
        moved.add(joint)
    for share, joint in shares(creature.chain("Tail")):
        bend = np.stack([-0.04 * np.sin(2 * wave - 2 * share), 0 * wave, 0.16 * np.sin(wave - 2.5 * share)], -1)
        turns[:, joint] = turns[:, parents[joint]] @ euler(bend)
        moved.add(joint)
