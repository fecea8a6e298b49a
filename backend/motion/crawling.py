# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting about on hands and knees."""

from __future__ import annotations

import numpy as np

from backend.motion.figure import PLACE, SIDES, Figure
from backend.motion.manner import Manner
from backend.motion.stance import Stance, solve, stand_of
from backend.motion.take import Take
from backend.motion.turns import Array, euler


def crawl(figure: Figure, fps: float, frames: int, manner: Manner) -> Take:
    """A loop on hands and knees, opposite ones together; hands and knees that carry do not slide."""
    leg = figure.leg
    thigh, shin = figure.thigh[0], figure.shin[0]
    period = 1.25 / max(manner.speed, 0.3)
    if not frames:
        frames = max(8, 2 * round(period * fps / 2))  # left and right alike
    rounds = max(1, round(frames / fps / period))
    stance = Stance(figure, fps, frames)
    t = np.arange(frames) / frames * rounds
    stride = 0.40 * leg * manner.stride
    ahead = stride * t
    stance.settle = False
    stance.path[:, 1] = -ahead
    knee_high = 0.055 * leg
    hip = knee_high + thigh * 0.93
    stand = stand_of(figure)
    sockets = stand.hips
    pitch = 1.30
    stance.pelvis_turn[:, 0] = pitch
    stance.pelvis_turn[:, 1] = 0.04 * np.sin(2 * np.pi * t)
    stance.pelvis_turn[:, 2] = 0.10 * np.sin(2 * np.pi * t)
    stance.spine[:, 0] = 0.12
    stance.spine[:, 2] = -0.16 * np.sin(2 * np.pi * t)
    stance.head[:, 0] = -1.05 + manner.nod
    turned = euler(stance.pelvis_turn)
    stance.pelvis[:, 1] = -ahead
    mean_socket = (turned @ sockets.mean(0)[:, None])[..., 0]
    floor = figure.ground
    stance.pelvis[:, 2] = floor + hip - figure.heads[0, 2] - stand.height - mean_socket[:, 2]
    for side in range(2):
        u = (t + 0.5 * side) % 1.0
        swing = np.clip((u - 0.6) / 0.4, 0, 1)
        smooth = swing - np.sin(2 * np.pi * swing) / (2 * np.pi)
        at = stride * (0.30 - u + smooth)  # of the knee before the hip
        socket = (turned @ sockets[side][:, None])[..., 0]
        base = figure.heads[0] + stance.pelvis + [0, 0, stand.height] + socket
        knee = np.stack([base[:, 0], figure.heads[0, 1] + mean_socket[:, 1] - ahead - at, np.zeros(frames)], -1)
        knee[:, 2] = floor + knee_high + 0.05 * leg * np.sin(np.pi * swing) ** 2
        knee = base + (knee - base) * (thigh / np.linalg.norm(knee - base, axis=-1, keepdims=True))
        drop = np.clip((knee[:, 2] - floor - 0.055 * leg) / shin, -0.9, 0.9)
        ankle = knee + shin * np.stack([0 * drop, np.sqrt(1 - drop**2), -drop], -1)
        stance.foot_turn[:, side, 0] = 2.75  # lying on its back
        carried = (euler(stance.foot_turn[:, side]) @ stand.ankle[side][:, None])[..., 0]
        stance.feet[:, side] = ankle - carried - [0, 0, figure.heads[PLACE[SIDES[side] + "ToeBase"], 2]]
    stance.contacts[:] = 0
    _hands_on_floor(stance, t, stride)
    return solve(stance, True, (0.0, -stride * rounds))


def _hands_on_floor(stance: Stance, t: Array, stride: float) -> None:
    """Wrists over the floor, each against the knee of its side by half a round."""
    figure, frames = stance.figure, stance.count
    probe = solve(stance, True)
    heads, _ = figure.positions(probe.turns, probe.root)
    chest = probe.turns[:, PLACE["Spine2"]]
    for side, word in enumerate(SIDES):
        out = 1.0 if side == 0 else -1.0
        shoulder = heads[:, PLACE[word + "Arm"]]
        u = (t + 0.5 * side + 0.5) % 1.0
        swing = np.clip((u - 0.6) / 0.4, 0, 1)
        smooth = swing - np.sin(2 * np.pi * swing) / (2 * np.pi)
        at = stride * (0.30 - u + smooth)
        wrist = np.empty((frames, 3))
        wrist[:, 0] = figure.heads[PLACE[word + "Arm"], 0] * 0.95
        wrist[:, 1] = shoulder[:, 1].mean() - (stance.path[:, 1].mean() - stance.path[:, 1]) - at - 0.10 * figure.arm
        wrist[:, 2] = figure.ground + 0.10 * figure.arm + 0.10 * figure.arm * np.sin(np.pi * swing) ** 2
        local = (np.swapaxes(chest, -1, -2) @ (wrist - shoulder)[..., None])[..., 0] / figure.arm
        stance.reach[:, side, :3] = local * [out, -1.0, 1.0]
        stance.reach[:, side, 3] = 1.0
        stance.elbow_out[:, side] = 0.9
        stance.wrists[:, side, 1] = 1.25
        stance.grip[:, side] = 0.0
