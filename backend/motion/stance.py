# SPDX-License-Identifier: GPL-3.0-or-later
"""From how a body is held, frame by frame, to a take: angles of trunk and arms, places of feet, solved by inverse
kinematics.

Generators fill a `Stance` with numbers that a person could say (lean forward, left knee up, hand to the mouth) and
`solve` turns them into world turns. Feet that stand are met exactly: the pelvis is lowered, smoothly, as far as both
legs reach. Elbows and knees are hinges (two-bone inverse kinematics by the law of cosines).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, minimum_filter1d

from backend.motion.figure import PLACE, SIDES, Figure
from backend.motion.take import Take
from backend.motion.turns import Array, about, euler, frame, transpose, unit

REACH = 0.998  # of a leg's length: a standing knee stays 7 degrees off straight, where its direction is still sure
BACK = np.radians(27.0)  # how far a thigh goes back against the pelvis
HEEL = 0.28  # of the distance from ankle to ball, how far the heel lies behind the ankle


@dataclass(eq=False)
class Stance:
    """T frames. Angles in radians, lengths in metres; index 0 is left, 1 right.

    pelvis (T, 3): against standing upright at the origin. pelvis_turn, spine, head (T, 3): as of `turns.euler`, spine
    and head against what carries them. arms (T, 2, 4): forward, sideways, turned about itself (inwards positive),
    elbow bent. wrists (T, 2, 2): bent towards the palm, towards the thumb. shrug (T, 2): collar bone raised. reach
    (T, 2, 4): where the wrist goes in the chest's frame against the shoulder (outwards, forward, up), in arm lengths,
    and how much that counts, 0..1. elbow_out (T, 2): swivel of a reaching elbow, 0 hangs down, pi/2 points outwards.
    feet (T, 2, 3): balls of the feet on the floor (x, y) and their height over standing. foot_turn (T, 2, 3): pitch
    (heel up positive), roll, yaw. knees_out (T, 2): swivel of the knees. grip (T, 2). contacts (T, 4). path (T, 2).
    """

    figure: Figure
    fps: float
    count: int

    def __post_init__(self) -> None:
        t, stand = self.count, stand_of(self.figure)
        self.pelvis = np.zeros((t, 3))
        self.pelvis_turn, self.spine, self.head = np.zeros((t, 3)), np.zeros((t, 3)), np.zeros((t, 3))
        self.arms = np.tile([[[0.05, 0.09, 0.0, 0.16]]], (t, 2, 1))
        self.wrists, self.shrug = np.zeros((t, 2, 2)), np.zeros((t, 2))
        self.reach, self.elbow_out = np.zeros((t, 2, 4)), np.full((t, 2), 0.35)
        self.feet = np.tile(stand.feet, (t, 1, 1))
        self.foot_turn, self.knees_out = np.zeros((t, 2, 3)), np.zeros((t, 2))
        self.grip = np.full((t, 2), 0.22)
        self.contacts = np.ones((t, 4), np.uint8)
        self.path = np.zeros((t, 2))
        self.settle = True

    @property
    def times(self) -> Array:
        """(T,) seconds."""
        return np.arange(self.count) / self.fps


@dataclass(frozen=True, eq=False)
class Stand:
    """Standing upright. feet (2, 3): balls on the floor, z 0. height: of the hips over their rest. ankle (2, 3): from
    ball to ankle. hips (2, 3): hip joints against the hips."""

    feet: Array
    height: float
    ankle: Array
    hips: Array


def stand_of(figure: Figure) -> Stand:
    """How this figure stands: feet under the hip joints, a little apart."""
    hips = np.stack([figure.offsets[PLACE[side + "UpLeg"]] for side in SIDES])
    ankle = np.empty((2, 3))
    feet = np.zeros((2, 3))
    for side, word in enumerate(SIDES):
        turn = figure.neutral[PLACE[word + "Foot"]]
        ankle[side] = turn @ (figure.heads[PLACE[word + "Foot"]] - figure.heads[PLACE[word + "ToeBase"]])
        feet[side, :2] = (figure.heads[0] + hips[side] - [0, 0, 0])[:2] - ankle[side, :2]
        feet[side, 0] *= 1.06
    # The hips go where the longer leg is nearly straight over its foot.
    heights = [
        figure.heads[PLACE[word + "ToeBase"], 2] + ankle[side, 2] - hips[side, 2]
        + REACH * (figure.thigh[side] + figure.shin[side]) for side, word in enumerate(SIDES)
    ]
    return Stand(feet, float(min(heights) - figure.heads[0, 2]), ankle, hips)


def solve(stance: Stance, loop: bool = False, stride: tuple[float, float] = (0.0, 0.0)) -> Take:
    """The take that holds this stance. Lowers the pelvis where standing feet would be out of reach (`settle`), and tips
    it forward where a thigh would go back farther than a hip lets it."""
    take = _solved(stance, loop, stride)
    angles = joint_angles(stance.figure, take.turns)
    lack = np.maximum(-np.radians(np.minimum(angles["left hip"], angles["right hip"])) - BACK, 0.0)
    if lack.max() < 1e-4:
        return take
    tip = smoothly_over(lack, stance.fps, loop)
    stance.pelvis_turn[:, 0] += tip
    stance.spine[:, 0] -= tip
    return _solved(stance, loop, stride)


def smoothly_over(needed: Array, fps: float, loop: bool) -> Array:
    """A smooth curve that is nowhere below `needed`: dilated, then averaged as widely."""
    width = 2 * max(1, round(0.07 * fps)) + 1
    mode = "wrap" if loop else "nearest"
    kernel = np.hanning(width + 2)[1:-1]
    return np.asarray(correlate1d(-minimum_filter1d(-needed, width, mode=mode), kernel / kernel.sum(), mode=mode))


def _solved(stance: Stance, loop: bool, stride: tuple[float, float]) -> Take:
    figure, neutral, stand = stance.figure, stance.figure.neutral, stand_of(stance.figure)
    turns = np.empty((stance.count, len(neutral), 3, 3))
    hips = euler(stance.pelvis_turn)
    turns[:, 0] = hips
    bend = euler(stance.spine / 3.0)
    for name in ("Spine", "Spine1", "Spine2"):
        hips = hips @ bend
        turns[:, PLACE[name]] = hips
    chest = turns[:, PLACE["Spine2"]]
    turns[:, PLACE["Neck"]] = chest @ euler(stance.head * 0.4)
    turns[:, PLACE["Head"]] = turns[:, PLACE["Neck"]] @ euler(stance.head * 0.6)
    for side in range(2):
        _arm(stance, side, chest, turns)
    ankles, feet = _feet(stance, stand)
    root = stance.pelvis + [0.0, 0.0, stand.height]
    sockets = (turns[:, :1] @ stand.hips[:, :, None])[..., 0]  # (T, 2, 3) hip joints against the hips
    if stance.settle:
        root[:, 2] = _settled(stance, root, sockets, ankles, loop)
    for side, word in enumerate(SIDES):
        hip = figure.heads[0] + root + sockets[:, side]
        ahead = about("z", stance.foot_turn[:, side, 2] * 0.6 + stance.pelvis_turn[:, 2] * 0.4)
        out = stance.knees_out[:, side] * (1 if side == 0 else -1)
        hinge = (ahead @ about("z", out) @ np.array([1.0, 0.0, 0.0])[:, None])[..., 0]
        upper, lower = two_bones(ankles[:, side] - hip, hinge, figure.thigh[side], figure.shin[side], 1.0)
        turns[:, PLACE[word + "UpLeg"]] = upper @ neutral[PLACE[word + "UpLeg"]]
        turns[:, PLACE[word + "Leg"]] = lower @ neutral[PLACE[word + "Leg"]]
        turns[:, PLACE[word + "Foot"]] = feet[:, side] @ neutral[PLACE[word + "Foot"]]
        flat = euler(stance.foot_turn[:, side] * [0.0, 0.0, 1.0])
        pitch = stance.foot_turn[:, side, 0]
        toe = flat @ about("x", np.where(pitch > 0, _toe_up(stance, side) * pitch, pitch))
        turns[:, PLACE[word + "ToeBase"]] = toe @ neutral[PLACE[word + "ToeBase"]]
    return Take(figure.conform(turns), root, stance.contacts.astype(np.uint8), stance.grip, stance.path, stance.fps,
                loop, stride)


def _toe_up(stance: Stance, side: int) -> Array:
    """(T,) share of the foot's pitch that its toes follow: none on the floor, most of it in the air."""
    return np.clip(stance.feet[:, side, 2] / (0.06 * stance.figure.leg), 0.0, 0.75)


def _feet(stance: Stance, stand: Stand) -> tuple[Array, Array]:
    """Ankles (T, 2, 3) in the figure's frame and the feet's turns (T, 2, 3, 3). A raised heel turns about the ball, a
    raised toe about the heel."""
    figure = stance.figure
    turn = euler(stance.foot_turn)
    flat = euler(stance.foot_turn * [0.0, 0.0, 1.0])
    ankles = np.empty((stance.count, 2, 3))
    for side, word in enumerate(SIDES):
        ball = stance.feet[:, side] + [0.0, 0.0, figure.heads[PLACE[word + "ToeBase"], 2]]
        about_ball = ball + (turn[:, side] @ stand.ankle[side][:, None])[..., 0]
        heel = stand.ankle[side] * [1 + HEEL, 1 + HEEL, 0.0] - [0, 0, figure.heads[PLACE[word + "ToeBase"], 2]
                                                                - figure.ground]
        about_heel = (ball + (flat[:, side] @ heel[:, None])[..., 0]
                      + (turn[:, side] @ (stand.ankle[side] - heel)[:, None])[..., 0])
        ankles[:, side] = np.where(stance.foot_turn[:, side, :1] >= 0, about_ball, about_heel)
    return ankles, turn


def _settled(stance: Stance, root: Array, sockets: Array, ankles: Array, loop: bool) -> Array:
    """(T,) heights of the hips at which all standing feet are in reach: as wanted, lowered smoothly where needed."""
    figure = stance.figure
    limit = np.full(stance.count, np.inf)
    for side in range(2):
        longest = REACH * (figure.thigh[side] + figure.shin[side])
        hip = figure.heads[0] + root + sockets[:, side]
        away = np.linalg.norm((ankles[:, side] - hip)[:, :2], axis=-1)
        high = ankles[:, side, 2] - sockets[:, side, 2] - figure.heads[0, 2]
        high = high + np.sqrt(np.maximum(longest**2 - away**2, (0.3 * longest) ** 2))
        stands = stance.contacts[:, 2 * side : 2 * side + 2].any(1)
        limit = np.minimum(limit, np.where(stands, high, np.inf))
    return np.asarray(root[:, 2] - smoothly_over(np.maximum(root[:, 2] - limit, 0.0), stance.fps, loop))


def two_bones(way: Array, hinge: Array, first: float, second: float, sign: float) -> tuple[Array, Array]:
    """Turns (T, 3, 3) of two hanging bones (along -Z, bending about +X) whose end goes by `way` (T, 3) from their
    root, bent about `hinge` (T, 3): sign 1 bends backwards like a knee, -1 forwards like an elbow. What is out of
    reach is reached for."""
    distance = np.linalg.norm(way, axis=-1)
    low = np.sqrt(first**2 + second**2 - 2 * first * second * np.cos(np.pi - np.radians(138.0)))
    reach = np.clip(distance, low, (first + second) * 0.99995)
    at_root = np.arccos(np.clip((first**2 + reach**2 - second**2) / (2 * first * reach), -1, 1))
    at_joint = np.pi - np.arccos(np.clip((first**2 + second**2 - reach**2) / (2 * first * second), -1, 1))
    base = frame(-unit(way), hinge)  # columns: hinge, ., up along the limb
    upper = base @ about("x", -sign * at_root)
    return upper, upper @ about("x", sign * at_joint)


def _arm(stance: Stance, side: int, chest: Array, turns: Array) -> None:
    figure, neutral = stance.figure, stance.figure.neutral
    word, out = SIDES[side], 1.0 if side == 0 else -1.0
    collar = chest @ about("y", -out * stance.shrug[:, side])
    turns[:, PLACE[word + "Shoulder"]] = collar
    forward, sideways, twist, elbow = np.moveaxis(stance.arms[:, side], -1, 0)
    upper = collar @ about("x", -forward) @ about("y", -out * sideways) @ about("z", -out * twist)
    lower = upper @ about("x", -elbow)
    share = stance.reach[:, side, 3]
    if share.any():
        first = float(np.linalg.norm(figure.offsets[PLACE[word + "ForeArm"]]))
        second = float(np.linalg.norm(figure.offsets[PLACE[word + "Hand"]]))
        goal = stance.reach[:, side, :3] * figure.arm * [out, -1.0, 1.0]
        swivel = stance.elbow_out[:, side]
        # The elbow points down (swivel 0) or outwards (pi / 2); that of the hanging arm points back.
        pole = np.stack([out * np.sin(swivel), 0.35 * np.cos(swivel), -np.cos(swivel)], -1)
        into = transpose(collar)
        wrist = -((into @ upper)[..., 2] * first + (into @ lower)[..., 2] * second)
        way = wrist * (1 - share[:, None]) + goal * share[:, None]
        side_way = (into @ upper)[..., 1] * (1 - share[:, None]) + pole * share[:, None]
        to_upper, to_lower = two_bones(way, np.cross(unit(way), side_way), first, second, -1.0)
        moved = share[:, None, None] > 0
        upper, lower = np.where(moved, collar @ to_upper, upper), np.where(moved, collar @ to_lower, lower)
    bend, thumb = np.moveaxis(stance.wrists[:, side], -1, 0)
    turns[:, PLACE[word + "Arm"]] = upper @ neutral[PLACE[word + "Arm"]]
    turns[:, PLACE[word + "ForeArm"]] = lower @ neutral[PLACE[word + "ForeArm"]]
    hand = lower @ about("y", out * bend) @ about("x", -thumb)
    turns[:, PLACE[word + "Hand"]] = hand @ neutral[PLACE[word + "Hand"]]


def joint_angles(figure: Figure, turns: Array) -> dict[str, NDArray[np.float64]]:
    """Degrees (T,) of knees and elbows (bent from straight) and hips (thigh forward against the trunk's plumb line)."""
    straight = transpose(figure.neutral)
    angles: dict[str, NDArray[np.float64]] = {}
    for word in SIDES:
        for name, above, below in (("knee", "UpLeg", "Leg"), ("elbow", "Arm", "ForeArm")):
            a = (turns[:, PLACE[word + above]] @ straight[PLACE[word + above]])[..., 2]
            b = (turns[:, PLACE[word + below]] @ straight[PLACE[word + below]])[..., 2]
            cross = np.linalg.norm(np.cross(a, b), axis=-1)
            angles[f"{word.lower()} {name}"] = np.degrees(np.arctan2(cross, (a * b).sum(-1)))
        hips = transpose(turns[:, 0])
        thigh = (hips @ turns[:, PLACE[word + "UpLeg"]] @ straight[PLACE[word + "UpLeg"]])[..., 2]
        angles[f"{word.lower()} hip"] = np.degrees(np.arctan2(thigh[:, 1], thigh[:, 2]))
    return angles
