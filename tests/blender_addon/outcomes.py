# SPDX-License-Identifier: GPL-3.0-or-later
"""A result for every kind of work, of plain arrays, as a worker would send it for a ball: what went in beside the spec,
what came, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from protocol.motion import Motion, continuous
from protocol.skeleton import Skeleton, Weights

JOINTS = ("Hips", "Spine", "Head")


@dataclass(frozen=True)
class Case:
    """spec: what a row of a manifest says beside its kind. stage: what went in. arrays, report: what came."""

    spec: dict[str, Any]
    stage: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    report: dict[str, Any]


def chain(count: int) -> tuple[Skeleton, Weights]:
    """Three joints one above the other through a ball of 1 m, and weights of `count` vertices, two a vertex."""
    heads = np.array([[0, 0, 0.1], [0, 0, 0.4], [0, 0, 0.7]], np.float32)
    tails = heads + np.array([0, 0, 0.3], np.float32)
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)  # y along the bone
    skeleton = Skeleton(heads, tails, np.repeat(upright[None], 3, 0), np.array([-1, 0, 1], np.int16), JOINTS)
    values = np.tile(np.array([0.75, 0.25, 0, 0], np.float32), (count, 1))
    joints = np.zeros((count, 4), np.uint16)
    joints[:, 0], joints[:, 1] = np.arange(count) % 3, (np.arange(count) + 1) % 3
    return skeleton, Weights(values, joints)


def motion(frames: int = 30, fps: float = 30.0) -> Motion:
    turns = np.zeros((frames, 3, 4))
    turns[..., 0] = 1.0
    turns[:, 1, 1] = np.linspace(0.0, 0.5, frames)
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    return Motion(continuous(turns), np.zeros((frames, 3), np.float32), np.zeros((frames, 4), np.uint8), fps)


def cases(ball: dict[str, np.ndarray], picture: np.ndarray, word: np.ndarray) -> dict[str, Case]:
    """By kind. ball: as `conftest.ball` makes it. picture: bytes of a PNG. word: bytes of a learned one."""
    count, faces = len(ball["vertices"]), len(ball["faces"])
    geometry = {name: ball[name] for name in ("vertices", "faces", "uvs")}
    dressed = geometry | {"base_colour": ball["base_colour"]}
    skeleton, weights = chain(count)
    moves = motion()
    selected = np.zeros(faces, np.uint8)
    selected[:2] = 1
    origin = np.where(selected, -1, np.arange(faces)).astype(np.int32)
    seeded = {"seed": 4}
    many = {f"v{index}_{name}": array for index in range(3) for name, array in ball.items()}
    return {
        "text_to_3d": Case({"prompt": "a ball"}, {}, ball, seeded),
        "variations": Case({"prompt": "a ball", "count": 3}, {}, many,
                           {"row_metres": 1.5, "variations": [{"seed": seed} for seed in (4, 5, 6)]}),
        "texture": Case({"prompt": "moss", "name": "Stone"}, dressed, {"base_colour": picture}, seeded),
        "inpaint": Case({"verb": "remove", "name": "Stone"}, dressed | {"selected": selected}, {"base_colour": picture},
                        seeded),
        "remove": Case({"name": "Stone"}, dressed | {"selected": selected}, {
            **dressed, "face_origin": origin, "vertex_origin": np.arange(count, dtype=np.int32)}, seeded),
        "edit": Case({"prompt": "a pear", "reshape": 0.5}, dressed, ball, seeded),
        "segment": Case({"name": "Stone"}, dressed, {"selected": selected}, {}),
        "avatar": Case({"prompt": "a knight", "motion": "walks"}, {}, {
            **ball, **skeleton.arrays(), **weights.arrays(), **moves.to_arrays()}, seeded | {"motion": moves.facts()}),
        "rig": Case({"name": "Stone"}, dressed, {**skeleton.arrays(), **weights.arrays()}, {"naming": "blender"}),
        "animate": Case({"prompt": "bows"}, skeleton.arrays(), moves.to_arrays(), seeded | {"motion": moves.facts()}),
        "learn": Case({"word": "blorp", "noun": "mug"}, {}, {"identity": word}, {}),
    }
