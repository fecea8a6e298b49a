# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting about on two feet, made from footsteps: walk, run, sneak, sidestep, turn, begun and ended or endless.

A plan says when each foot stands where. Standing feet do not move at all; what moves is derived from the plan: the
pelvis follows the mean of both feet, shifts its weight to the one that stands, turns and drops with the legs, and the
arms swing against them. Cadence and stance follow speed and leg length (reference, section 7.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import correlate1d

from backend.motion.figure import Figure
from backend.motion.manner import NEUTRAL, Manner
from backend.motion.stance import Stance, solve, stand_of
from backend.motion.take import Take, place_on_ground
from backend.motion.turns import Array

Station = tuple[float, float, float]  # x, y on the floor and heading in radians, of the body when a foot lands
HANG = 0.85  # of a bent back's angle: arms hang down all the same
LEG = 0.9  # metres; the leg that speeds are said for


@dataclass(frozen=True)
class Gait:
    """speed m/s of a figure with legs of 0.9 m; strides a second 0 for natural. duty: share of a stride that a foot
    stands. strike: how far the toe is up when the heel lands; rise: how far the heel when the toe leaves (radians).
    lift: of the ball in swing, kick: of the foot behind, in legs. bob, sway, width in legs; twist, lean, drop in
    radians; swing, elbow: of the arms in radians."""

    speed: float
    cadence: float
    duty: float
    strike: float
    rise: float
    lift: float
    kick: float
    bob: float
    sway: float
    width: float
    twist: float
    lean: float
    drop: float
    swing: float
    elbow: float
    crouch: float = 0.0
    bias: float = 0.0
    """Where the feet stand against the body, in strides: before it (positive) or behind."""


WALK = Gait(1.3, 0.0, 0.61, 0.32, 0.62, 0.045, 0.03, 0.0, 0.022, 0.05, 0.11, 0.035, 0.065, 0.38, 0.16, bias=-0.035)
RUN = Gait(3.0, 1.38, 0.36, 0.08, 0.75, 0.10, 0.30, 0.035, 0.012, 0.03, 0.16, 0.15, 0.05, 0.75, 1.35, crouch=0.06,
           bias=-0.03)
JOG = Gait(2.1, 1.30, 0.42, 0.10, 0.65, 0.08, 0.18, 0.028, 0.014, 0.035, 0.13, 0.09, 0.05, 0.55, 1.25, crouch=0.05,
           bias=-0.02)
TURN = Gait(0.5, 1.15, 0.66, 0.0, 0.22, 0.07, 0.0, 0.0, 0.025, 0.09, 0.0, 0.02, 0.02, 0.12, 0.22)
SIDESTEP = Gait(0.6, 0.85, 0.62, 0.0, 0.20, 0.06, 0.0, 0.0, 0.03, 0.09, 0.0, 0.02, 0.02, 0.10, 0.25)
BACKWARDS = Gait(0.8, 0.9, 0.64, 0.0, 0.25, 0.06, 0.0, 0.0, 0.025, 0.07, 0.07, 0.0, 0.04, 0.22, 0.22, bias=-0.02)


def natural_cadence(speed: float) -> float:
    """Strides a second at a speed, for legs of 0.9 m."""
    return 0.64 * float(np.sqrt(speed)) + 0.22


def in_manner(gait: Gait, manner: Manner) -> Gait:
    """The gait done in a manner."""
    speed = gait.speed * manner.speed
    cadence = gait.cadence * manner.speed**0.5 if gait.cadence else natural_cadence(speed)
    cadence /= manner.stride
    duty = gait.duty + manner.duty - (0.05 * (speed - gait.speed) if gait.duty > 0.5 else 0.03 * (speed - gait.speed))
    duty = min(max(duty, 0.55), 0.78) if gait.duty > 0.5 else min(max(duty, 0.30), 0.47)
    slow = min(1.0, max(0.35, manner.speed)) ** 0.7
    tip = manner.tiptoe
    return Gait(
        speed, cadence, duty, (gait.strike * slow * (1 - tip) - 0.32 * tip) * (0.4 if manner.lift < 0.6 else 1.0),
        min(gait.rise * slow * max(1.0, speed / gait.speed) ** 0.5 + 0.05 * tip, 0.95),
        gait.lift * manner.lift, gait.kick * manner.lift,
        gait.bob * manner.bounce + 0.012 * max(0.0, manner.bounce - 1.0), gait.sway * manner.sway,
        gait.width * manner.width, gait.twist * manner.sway**0.5 * (1 - 0.6 * manner.stiff),
        gait.lean + manner.lean, gait.drop * manner.sway, gait.swing * manner.swing * slow,
        max(0.05, gait.elbow + manner.elbows), gait.crouch + manner.crouch, gait.bias,
    )


def endless(figure: Figure, gait: Gait, fps: float, frames: int, manner: Manner = NEUTRAL, heading: float = 0.0
            ) -> Take:
    """A loop of exactly `frames` frames (0 for one stride). heading: where it goes against where it looks (radians,
    pi backwards)."""
    scale = figure.leg / LEG
    cadence = gait.cadence or natural_cadence(gait.speed)
    period = np.sqrt(scale) / cadence
    if not frames:
        frames = max(4, round(period * fps))
    rounds = max(1, round(frames / fps / period))
    period = frames / fps / rounds
    speed = gait.speed * np.sqrt(scale)  # equal Froude numbers
    step = speed * period / 2 * np.array([np.sin(heading), -np.cos(heading)])
    wander = _wander(manner, rounds)
    first, last = -6, 2 * rounds + 8
    stations: list[Station] = []
    for k in range(first, last):
        way = step * k + wander[k % (2 * rounds)] * figure.leg * 0.06
        stations.append((float(way[0]), float(way[1]), 0.0))
    times = [k * period / 2 for k in range(first, last)]
    sides = [k % 2 for k in range(first, last)]
    stride = step * 2 * rounds
    return place_on_ground(_walked(figure, gait, manner, fps, frames, times, sides, stations, period, True,
                                   (float(stride[0]), float(stride[1]))))


def along(figure: Figure, gait: Gait, fps: float, stations: Sequence[Station], manner: Manner = NEUTRAL,
          first_side: int = 0) -> Take:
    """From standing through stations, a step each, to standing at the last one. The first station is where it
    stands."""
    scale = figure.leg / LEG
    cadence = gait.cadence or natural_cadence(gait.speed)
    period = np.sqrt(scale) / cadence
    begin, end = stations[0], stations[-1]
    lead = 0.25 + period * 0.35
    every = [begin, begin, *stations[1:], end]
    times = [-9.0, -9.0, *(lead + period / 2 * (1 + n) for n in range(len(every) - 2))]
    sides = [first_side, 1 - first_side, *((first_side + n) % 2 for n in range(len(every) - 2))]
    frames = max(4, round((times[-1] + 0.3 + period * 0.25) * fps) + 1)
    return _walked(figure, gait, manner, fps, frames, times, sides, every, period, False, (0.0, 0.0))


def straight(figure: Figure, gait: Gait, metres: float, heading: float = 0.0) -> list[Station]:
    """Stations for a way of so many metres."""
    scale = figure.leg / LEG
    cadence = gait.cadence or natural_cadence(gait.speed)
    step = gait.speed * scale / cadence / 2
    count = max(1, round(metres / step) + (1 if gait.duty < 0.5 else 0))
    lengths = np.ones(count)
    if count > 2:  # nobody is at full speed with the first step
        lengths[[0, -1]] = 0.75 if gait.duty > 0.5 else 0.45
        if gait.duty < 0.5 and count > 4:
            lengths[[1, -2]] = 0.8
    share = np.concatenate([[0.0], np.cumsum(lengths) / lengths.sum()])
    way = metres * np.array([np.sin(heading), -np.cos(heading)])
    return [(float(way[0] * one), float(way[1] * one), 0.0) for one in share]


def around(angle: float, most: float = 0.7) -> list[Station]:
    """Stations for a turn on the spot by `angle` radians, to the left positive."""
    count = max(1, int(np.ceil(abs(angle) / most)))
    return [(0.0, 0.0, angle * n / count) for n in range(count + 1)]


def _wander(manner: Manner, rounds: int) -> Array:
    """(2 rounds, 2): how far each step strays, for the unsteady; the same at every call."""
    n = np.arange(2 * rounds)[:, None] / max(2 * rounds, 1)
    noise = np.sin(2 * np.pi * (n * [1, 1] + [0.1, 0.6])) + 0.7 * np.sin(2 * np.pi * (n * [2, 3] + [0.4, 0.2]))
    return np.asarray(noise * manner.wander * [1.5, 0.5])


def _walked(
    figure: Figure, gait: Gait, manner: Manner, fps: float, frames: int, times: Sequence[float], sides: Sequence[int],
    stations: Sequence[Station], period: float, loop: bool, stride: tuple[float, float],
) -> Take:
    pad = int(np.ceil(2.0 * period * fps))
    wide = Stance(figure, fps, frames + 2 * pad)
    t = (np.arange(wide.count) - pad) / fps
    _feet(wide, t, gait, manner, times, sides, stations, period)
    _body(wide, t, gait, manner, times, period)
    if loop:
        _make_periodic(wide, pad, frames, stride)
    stance = _middle(wide, pad, frames)
    return solve(stance, loop, stride)


def _feet(stance: Stance, t: Array, gait: Gait, manner: Manner, times: Sequence[float], sides: Sequence[int],
          stations: Sequence[Station], period: float) -> None:
    """Balls, pitches and contacts of both feet from the plan."""
    figure, stand = stance.figure, stand_of(stance.figure)
    for side in range(2):
        mine = [n for n in range(len(times)) if sides[n] == side]
        swing = period * (1 - gait.duty) * (1.0 + (0.25 * manner.limp if side == 0 else -0.2 * manner.limp))
        balls, yaws = [], []
        for n in mine:
            x, y, heading = stations[n]
            home = stand.feet[side, :2].copy()
            ended = (n >= len(stations) - 2 or n < 2) and times[0] < -5  # standing still, at home
            out = 1.0 if side == 0 else -1.0
            if not ended:
                home[0] = out * max(gait.width * figure.leg * 1.0, 0.012) + (home[0] - out * 0.06 * figure.leg) * 0.25
            c, s = np.cos(heading), np.sin(heading)
            balls.append([x + c * home[0] - s * home[1], y + s * home[0] + c * home[1]])
            yaws.append(heading)
        on = [times[n] for n in mine]
        off = [on[k + 1] - swing for k in range(len(on) - 1)] + [np.inf]
        balls_a, yaws_a = np.array(balls), np.unwrap(np.array(yaws))
        which = np.clip(np.searchsorted(on, t + 1e-9, side="right") - 1, 0, len(on) - 1)
        offs, ons = np.array(off), np.array(on)
        flying = t > offs[which] + 1e-9
        after = np.minimum(which + 1, len(on) - 1)
        u = np.where(flying, (t - offs[which]) / swing, 0.0)
        smooth = u - np.sin(2 * np.pi * u) / (2 * np.pi)
        ball = balls_a[which] * (1 - smooth)[:, None] + balls_a[after] * smooth[:, None]
        stance.feet[:, side, :2] = ball
        moved = np.linalg.norm(balls_a[after] - balls_a[which], axis=-1) + np.abs(yaws_a[after] - yaws_a[which]) * 0.15
        much = np.clip(moved / (0.3 * figure.leg), 0.25, 1.0) * flying
        kick = np.sin(np.pi * np.clip(u / 0.75, 0, 1)) ** 2 * gait.kick
        # A lifted foot comes over the floor at once and is put down gently.
        bump = np.sin(np.pi * u) ** 2 * gait.lift * (1 - 0.5 * manner.limp * (side == 0))
        stance.feet[:, side, 2] = figure.leg * (bump + kick) * much
        # A long stand rolls off the heel when it begins and onto the toe when it ends, and is flat between.
        whole = gait.duty * period
        s = np.minimum(np.clip((t - ons[which]) / whole, 0, 1), np.maximum(0.42, 1 - (offs[which] - t) / whole))
        fresh = ons[which] > -5  # a foot that never moved does not roll from its heel
        pitch = np.where(flying, 0.0, _roll(s, gait, manner) * np.where(fresh | (s > 0.5), 1.0, 0.0))
        # Before a small step the heel rises less, after one the toe does.
        next_share = np.clip(moved / (0.3 * figure.leg), 0.15, 1.0)
        before = np.maximum(which - 1, 0)
        came = np.linalg.norm(balls_a[which] - balls_a[before], axis=-1)
        came_share = np.clip((came + np.abs(yaws_a[which] - yaws_a[before]) * 0.15) / (0.3 * figure.leg), 0.0, 1.0)
        pitch = pitch * np.where(pitch > 0, np.where(s > 0.45, next_share, came_share), came_share)
        landing = np.clip(moved / (0.3 * figure.leg), 0.0, 1.0)  # as the stand that follows begins
        fly = _swing_pitch(u, gait, next_share, landing)
        stance.foot_turn[:, side, 0] = np.where(flying, fly, pitch)
        stance.foot_turn[:, side, 2] = yaws_a[which] * (1 - smooth) + yaws_a[after] * smooth
        toe_down = ~flying & (pitch >= -1e-3)
        heel_down = ~flying & (pitch <= 1e-3)
        stance.contacts[:, 2 * side] = heel_down
        stance.contacts[:, 2 * side + 1] = toe_down


def _roll(s: Array, gait: Gait, manner: Manner) -> Array:
    """Pitch of a standing foot over its stance s (0..1): from the heel, or on tiptoe from the ball, to the toe."""
    keys = [0.0, 0.14, 0.22, 0.46, 0.62, 0.84, 1.0]
    flat = 0.42 * manner.tiptoe
    values = [-gait.strike, flat, flat, flat, flat + (gait.rise - flat) * 0.12, flat + (gait.rise - flat) * 0.55,
              gait.rise]
    return np.asarray(PchipInterpolator(keys, values)(np.clip(s, 0, 1)))


def _swing_pitch(u: Array, gait: Gait, begin: Array, end: Array) -> Array:
    """Pitch in swing u (0..1): the heel leads, the foot levels out and comes down toe up (or, on tiptoe, toe down)."""
    fast = min(gait.kick / 0.2, 1.0)
    keys = [0.0, 0.18, 0.45, 0.75, 1.0]
    rise = PchipInterpolator(keys, [1.0, 1.08 + 0.35 * fast, 0.45 + 0.6 * fast, 0.05, 0.0])(u) * gait.rise
    fall = PchipInterpolator(keys, [0.0, 0.0, 0.15, 0.75, 1.0])(u) * -gait.strike
    return np.asarray(rise * begin + fall * end)


def _body(stance: Stance, t: Array, gait: Gait, manner: Manner, times: Sequence[float], period: float) -> None:
    """Pelvis, trunk, head and arms from what the feet do."""
    figure, fps = stance.figure, stance.fps
    feet = stance.feet[:, :, :2]
    stand = stand_of(figure)
    yaw = _slow(stance.foot_turn[:, :, 2].mean(1), period * 0.5, fps)
    lift = stance.contacts.reshape(-1, 2, 2).any(-1).astype(float)  # (T, 2) which foot stands
    home = stand.feet[:, :2].mean(0)
    c, s = np.cos(yaw), np.sin(yaw)
    middle = feet.mean(1) - np.stack([c * home[0] - s * home[1], s * home[0] + c * home[1]], -1)
    path = _slow(middle, period, fps)
    stance.path = path
    left = np.stack([c, s], -1)  # the figure's left on the floor
    weight = _slow(lift[:, 0] - lift[:, 1], period * 0.32, fps) * 0.7
    if gait.duty < 0.5:
        weight = _slow(lift[:, 0] - lift[:, 1], period * 0.5, fps)
    apart = ((feet[:, 0] - feet[:, 1]) * left).sum(-1) / figure.leg
    sway = figure.leg * (gait.sway * 2.2 * weight + np.clip(apart - 0.12, 0, 1) * 0.2 * weight)
    stance.pelvis[:, :2] = path + left * sway[:, None]
    # How far the left foot is before the right, in strides: the legs' swing in one number.
    ahead = np.stack([np.sin(yaw), -np.cos(yaw)], -1)
    apart_ahead = _slow(((feet[:, 0] - feet[:, 1]) * ahead).sum(-1), period * 0.12, fps)
    full = max(gait.speed * np.sqrt(figure.leg / LEG) * period * 0.5, 1e-6)
    legs = np.clip(apart_ahead / full, -1.3, 1.3)
    going = np.clip(_slow(np.abs(legs), period, fps) * 1.6, 0.0, 1.0)  # 0 standing, 1 on the way
    sharp = np.sign(legs) * np.abs(legs) ** 0.85
    both = _slow(lift.sum(1), period * 0.22, fps)
    bob = (1.0 - both) * gait.bob * 2.0 if gait.duty < 0.5 else gait.bob * (1.0 - np.abs(legs)) - gait.bob * 0.5
    way = _slow(np.gradient(path, axis=0) * fps, period * 0.5, fps)
    stance.pelvis[:, :2] -= way * gait.bias * period  # leaning into the way, the feet stand farther behind
    crouch = gait.crouch if gait.duty > 0.5 else gait.crouch * going + manner.crouch * (1 - going)  # runners rise
    stance.pelvis[:, 2] = figure.leg * (bob * going - crouch)
    if manner.limp:
        stance.pelvis[:, 2] -= figure.leg * 0.02 * manner.limp * _slow(lift[:, 0], period * 0.2, fps)
    lean = gait.lean * (0.25 + 0.75 * going) if manner.lean == 0 else gait.lean
    stance.pelvis_turn[:, 0] = lean * 0.35
    stance.pelvis_turn[:, 1] = gait.drop * (-weight) * going
    stance.pelvis_turn[:, 2] = yaw - gait.twist * legs
    stance.spine[:, 0] = lean * 0.65 + manner.slump + 0.02 * np.cos(2 * np.pi * 2 * t / period) * going
    stance.spine[:, 1] = -stance.pelvis_turn[:, 1] * 0.9
    stance.spine[:, 2] = gait.twist * legs * 1.9
    stance.head[:, 0] = manner.nod - lean * 0.7 - manner.slump * 0.75
    stance.head[:, 1] = stance.pelvis_turn[:, 1] * -0.1
    stance.head[:, 2] = -gait.twist * legs * 0.85
    # Slow turns of the head and a stagger, in whole waves of the plan so that loops close.
    span = max(times[-1] - max(times[0], 0.0), period)
    wave = 2 * np.pi * t / span
    if manner.turn_head:
        stance.head[:, 2] += manner.turn_head * np.sin(wave * max(1, round(span / 3.0)))
    if manner.wander:
        stance.spine[:, 1] += 0.13 * manner.wander * np.sin(wave * max(1, round(span / 2.2)) + 1.0)
        stance.spine[:, 0] += 0.07 * manner.wander * np.sin(wave * max(1, round(span / 1.7)) + 2.0)
        stance.head[:, 1] += 0.12 * manner.wander * np.sin(wave * max(1, round(span / 1.9)))
    lag = _shift(sharp, period * 0.06, fps)
    for side, out in ((0, 1.0), (1, -1.0)):
        swing = -out * lag
        front = np.maximum(swing, 0.0)
        stance.arms[:, side, 0] = gait.swing * (swing * 0.92 + 0.10) + HANG * (lean + manner.slump)
        stance.arms[:, side, 1] = 0.10 + manner.arms_out + 0.03 * front
        stance.arms[:, side, 2] = 0.16 + 0.10 * front
        if gait.duty < 0.5:
            stance.arms[:, side, 0] -= 0.35 * going
            stance.arms[:, side, 2] += 0.45 * front * going + 0.15 * going
            stance.arms[:, side, 3] = 0.25 + (gait.elbow - 0.25) * going * (1.0 + 0.16 * swing)
        else:
            stance.arms[:, side, 3] = gait.elbow + 0.26 * front * gait.swing / 0.38 * (1 - 0.7 * manner.stiff)
        stance.shrug[:, side] = manner.shrug + 0.02 * front
        stance.wrists[:, side, 0] = 0.06
        stance.grip[:, side] = 0.25 + (0.45 * going if gait.duty < 0.5 else 0.0)


def _slow(signal: Array, seconds: float, fps: float) -> Array:
    """A signal averaged over `seconds` with a box: what comes back every so often is gone from it."""
    width = max(1, round(seconds * fps))
    if width <= 1:
        return signal
    kernel = np.ones(width + 1 - width % 2)
    if width % 2 == 0:  # a box of an even width, centred: half weights at both ends
        kernel[0] = kernel[-1] = 0.5
    smooth = correlate1d(signal, kernel / kernel.sum(), axis=0, mode="nearest")
    half = max(1, round(seconds * fps / 4))
    kernel = np.hanning(2 * half + 3)[1:-1]
    return np.asarray(correlate1d(smooth, kernel / kernel.sum(), axis=0, mode="nearest"))


def _shift(signal: Array, seconds: float, fps: float) -> Array:
    """The signal so much later."""
    place = np.arange(len(signal)) - seconds * fps
    return np.asarray(np.interp(place, np.arange(len(signal)), signal))


def _make_periodic(stance: Stance, pad: int, frames: int, stride: tuple[float, float]) -> None:
    """The frame after the last becomes the first, exactly: what is left of a difference is spread over the loop."""
    ramp = np.linspace(0.0, 1.0, frames + 1)[:frames]
    for array, step in ((stance.pelvis, (*stride, 0.0)), (stance.path, stride), (stance.pelvis_turn, 0.0),
                        (stance.spine, 0.0), (stance.head, 0.0), (stance.arms, 0.0)):
        gap = array[pad + frames] - array[pad] - np.asarray(step)
        array[pad : pad + frames] -= ramp.reshape(-1, *([1] * (array.ndim - 1))) * gap


def _middle(wide: Stance, pad: int, frames: int) -> Stance:
    stance = Stance(wide.figure, wide.fps, frames)
    for name, value in vars(wide).items():
        if isinstance(value, np.ndarray) and len(value) == wide.count:
            setattr(stance, name, value[pad : pad + frames])
    return stance
