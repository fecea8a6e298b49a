# SPDX-License-Identifier: GPL-3.0-or-later
"""A manner on what was recorded: another tempo, lean, slump and head, arms farther out or swung wider."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.motion.figure import PARENTS, PLACE, ROLES, SIDES, Figure
from backend.motion.manner import Manner
from backend.motion.take import Take, resample
from backend.motion.turns import Array, about, blend, euler, transpose

BACK = ("Spine", "Spine1", "Spine2")


def styled(figure: Figure, take: Take, manner: Manner) -> Take:
    """The clip done in a manner. Legs and their contacts stay; the tempo changes with the speed."""
    take = resample(take, take.fps, manner.speed if take.stride != (0.0, 0.0) else manner.tempo)
    local = np.empty_like(take.turns)
    local[:, 0] = take.turns[:, 0]
    for place in range(1, len(ROLES)):
        local[:, place] = transpose(take.turns[:, PARENTS[place]]) @ take.turns[:, place]
    bend = euler(np.array([(manner.slump + manner.lean) / 3.0, 0.0, 0.0]))
    yaw = _facing(take.turns[:, 0])
    for name in BACK:
        local[:, PLACE[name]] = _in_frame(take.turns, PLACE[name], yaw, bend) @ local[:, PLACE[name]]
    nod = euler(np.array([(manner.nod - manner.slump * 0.7 - manner.lean) / 2.0, 0.0, 0.0]))
    for name in ("Neck", "Head"):
        local[:, PLACE[name]] = nod @ local[:, PLACE[name]]
    for side, word in enumerate(SIDES):
        out = 1.0 if side == 0 else -1.0
        arm = PLACE[word + "Arm"]
        mean = _mean(local[:, arm])
        swung = blend(np.repeat(mean[None], len(take), 0), local[:, arm], min(manner.swing, 1.6))
        local[:, arm] = about("y", -out * manner.arms_out) @ swung
        local[:, PLACE[word + "Shoulder"]] = about("y", -out * manner.shrug) @ local[:, PLACE[word + "Shoulder"]]
    turns = take.turns.copy()
    for place in range(1, 14):  # above the hips; the legs keep their world turns
        turns[:, place] = turns[:, PARENTS[place]] @ local[:, place]
    return replace(take, turns=figure.conform(turns))


def _facing(hips: Array) -> Array:
    ahead = hips @ np.array([0.0, -1.0, 0.0])
    return about("z", np.arctan2(ahead[:, 0], -ahead[:, 1]))


def _in_frame(turns: Array, place: int, yaw: Array, bend: Array) -> Array:
    """A bend about the figure's own left-right axis, said in the frame of a joint's parent."""
    parent = turns[:, PARENTS[place]]
    return transpose(parent) @ yaw @ bend @ transpose(yaw) @ parent


def _mean(turns: Array) -> Array:
    """The rotation nearest to all (chordal mean by singular values)."""
    u, _, v = np.linalg.svd(turns.mean(0))
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v)
