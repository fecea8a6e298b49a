# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes the whole body: jump, squat, sit, punch, kick, dance, throw, pick up, jumping jacks, kneel.

Written in the words of `gestures.Scene`. All but sitting and kneeling down end as they began, standing at ease.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from backend.motion.gestures import Scene
from backend.motion.stance import stand_of
from backend.motion.turns import Array

GRAVITY = 9.81


def curve(s: Scene, *keys: tuple[float, float]) -> Array:
    """(T,) through (second, value) pairs without overshoot."""
    times, values = zip(*keys, strict=True)
    return np.asarray(PchipInterpolator(np.maximum.accumulate(np.array(times) + 1e-6 * np.arange(len(times))), values)(
        np.clip(s.times, times[0], times[-1])))


def step(s: Scene, side: int, begin: float, end: float, to: tuple[float, float], lift: float = 0.05,
         turn: float = 0.0) -> None:
    """Put a foot to another place (metres from home, outwards and forward) between two times; it is in the air
    meanwhile."""
    out = 1.0 if side == 0 else -1.0
    t = s.times
    u = np.clip((t - begin) / max(end - begin, 1e-6), 0, 1)
    flying = (t > begin + 1e-9) & (t < end - 1e-9)
    smooth = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    goal = stand_of(s.figure).feet[side, :2] + [out * to[0], -to[1]]
    s.feet[:, side, :2] += smooth[:, None] * (goal - s.feet[:, side, :2])
    s.feet[:, side, 2] += s.figure.leg * lift * np.sin(np.pi * u) ** 2
    s.foot_turn[:, side, 2] += smooth * (out * turn - s.foot_turn[:, side, 2])
    s.foot_turn[:, side, 0] += 0.25 * np.sin(np.pi * u) ** 2
    s.contacts[flying, 2 * side : 2 * side + 2] = 0


def airborne(s: Scene, side: int, begin: float, end: float) -> None:
    """A foot is in the air between two times."""
    t = s.times
    s.contacts[(t > begin + 1e-9) & (t < end - 1e-9), 2 * side : 2 * side + 2] = 0


def jump(s: Scene) -> None:
    leg, high = s.figure.leg, 0.32 * s.manner.size * s.manner.bounce**0.5
    flight = 2 * np.sqrt(2 * high * leg / GRAVITY)
    down, off = 0.45 * s.pace, 0.45 * s.pace + 0.20
    land = off + flight
    rest = max(s.length, land + 0.75)
    fly = np.clip((s.times - off) / flight, 0, 1)
    hop = 4 * fly * (1 - fly) * high * leg
    depth = curve(s, (0, 0), (0.08, 0), (down, -0.30), (off, 0.0), (land, -0.04), (land + 0.20, -0.27),
                  (min(land + 0.75, rest), 0), (rest, 0))
    s.pelvis[:, 2] += leg * depth + hop
    tuck = np.sin(np.pi * fly) ** 2
    pitch = curve(s, (0, 0), (off - 0.16, 0), (off, 0.75), (off + 0.3 * flight, 0.85), (land - 0.02, 0.25), (land, 0.0),
                  (rest, 0.0))
    for side in range(2):
        s.feet[:, side, 2] += hop + leg * 0.10 * tuck
        airborne(s, side, off, land)
        s.foot_turn[:, side, 0] = pitch
    grounded = (s.times <= off) | (s.times >= land)
    s.contacts[:, [0, 2]] = ((pitch < 1e-3) & grounded)[:, None]
    bent = np.maximum(-depth, 0)
    s.pelvis_turn[:, 0] += 1.1 * bent
    s.spine[:, 0] += 0.7 * bent
    s.head[:, 0] -= 1.1 * bent
    s.pelvis[:, 1] += 0.22 * leg * bent
    back = curve(s, (0, 0), (down, 1), (off + 0.02, 0), (rest, 0))
    up = curve(s, (0, 0), (down + 0.04, 0), (off + 0.05, 1), (off + 0.55 * flight, 0.9), (land + 0.15, 0.25),
               (min(land + 0.7, rest), 0), (rest, 0))
    for side in range(2):
        s.arm(side, back, -0.75, 0.15, 0.0, 0.35)
        s.arm(side, up, 2.2, 0.35, 0.0, 0.35)
        s.shrug[:, side] += 0.2 * up


def squat(s: Scene) -> None:
    leg = s.figure.leg
    count = max(1, round(s.length / (2.0 * s.pace)))
    deep = (0.5 - 0.5 * np.cos(2 * np.pi * count * s.times / s.length)) ** 0.9 * min(s.manner.size, 1.2)
    s.pelvis[:, 2] -= (0.46 - s.manner.crouch) * leg * deep
    s.pelvis[:, 1] += 0.20 * leg * deep
    s.pelvis_turn[:, 0] += 0.48 * deep
    s.spine[:, 0] += 0.18 * deep
    s.head[:, 0] -= 0.52 * deep
    s.knees_out += 0.28 * deep[:, None]
    for side in range(2):
        s.arm(side, deep, 1.45, 0.05, 0.0, 0.15)


def sit(s: Scene) -> None:
    """Ends seated, on something as high as the knees."""
    leg = s.figure.leg
    down = s.ease(0.15 * s.pace, min(1.35 * s.pace, s.length * 0.85))
    lean = np.sin(np.pi * np.clip(down, 0, 1)) ** 1.2
    s.pelvis[:, 2] -= (0.475 * leg) * down
    s.pelvis[:, 1] += 0.47 * leg * down
    s.pelvis_turn[:, 0] += 0.62 * lean - 0.06 * down
    s.spine[:, 0] += 0.30 * lean + 0.10 * down
    s.head[:, 0] -= 0.45 * lean
    for side in range(2):
        s.arm(side, down, 0.30, 0.10, 0.25, 1.05)


def sitting(s: Scene) -> None:
    """Seated all the time."""
    leg = s.figure.leg
    s.pelvis[:, 2] -= 0.475 * leg
    s.pelvis[:, 1] += 0.47 * leg
    s.pelvis_turn[:, 0] -= 0.06
    s.spine[:, 0] += 0.10 + 0.01 * s.swings(0.3, np.ones(s.count))
    s.head[:, 2] += 0.12 * s.swings(0.15, np.ones(s.count))
    for side in range(2):
        s.arm(side, np.ones(s.count), 0.30, 0.10, 0.25, 1.05)


def stand_up(s: Scene) -> None:
    """Begins seated."""
    sit(s)
    for name in ("pelvis", "pelvis_turn", "spine", "head", "arms", "reach"):
        setattr(s, name, getattr(s, name)[::-1].copy())


def guard(s: Scene, share: Array) -> None:
    """Fists before the chin, left foot ahead."""
    narrow = s.figure.heads[7, 0] / s.figure.arm
    for side, ahead in ((0, 0.52), (1, 0.36)):
        s.hand_to(side, share, 0.16 - narrow, ahead, 0.08, 0.25)
        s.grip[:, side] += (1.0 - s.grip[:, side]) * share
        s.wrists[:, side] *= (1 - share)[:, None]
    s.pelvis[:, 2] -= 0.05 * s.figure.leg * share
    s.spine[:, 0] += 0.10 * share
    s.head[:, 0] += 0.05 * share
    s.pelvis_turn[:, 2] -= 0.30 * share
    s.head[:, 2] += 0.25 * share


def punch(s: Scene) -> None:
    leg = s.figure.leg
    into, out = 0.40 * s.pace, 0.45 * s.pace
    share = s.held(0.4, 0.45)
    step(s, 0, 0.02, into, (0.02, 0.16 * leg), 0.05)
    step(s, 1, 0.06, into + 0.05, (0.05, -0.14 * leg), 0.03, 0.45)
    step(s, 0, s.length - out, s.length - 0.05, (0.0, 0.0), 0.04)
    step(s, 1, s.length - out - 0.02, s.length - 0.02, (0.0, 0.0), 0.03)
    guard(s, share)
    free = s.length - into - out
    count = max(1, round(free / (0.62 * s.pace)))
    narrow = s.figure.heads[7, 0] / s.figure.arm
    for n in range(count):
        side = 1 if count == 1 else n % 2
        at, each = into + free * (n + 0.5) / count, free / count
        hit = s.ease(at - 0.32 * each, at - 0.04 * each) - s.ease(at + 0.06 * each, at + 0.5 * each)
        hit = np.clip(hit, 0, 1)
        old = s.reach[:, side, :3].copy()
        goal = np.array([0.10 - narrow, 0.985, 0.05])
        s.reach[:, side, :3] = old + hit[:, None] * (goal - old)
        s.elbow_out[:, side] += 0.8 * hit
        twist = (0.50 if side else -0.28) * s.manner.size * hit
        s.spine[:, 2] += twist
        s.pelvis_turn[:, 2] += twist * 0.55
        s.head[:, 2] -= twist * 1.4
        s.pelvis[:, 1] -= 0.05 * leg * hit
        s.shrug[:, side] += 0.08 * hit


def kick(s: Scene) -> None:
    leg, count = s.figure.leg, max(1, round(s.length / (1.7 * s.pace)))
    each = s.length / count
    stand = stand_of(s.figure).feet[1]
    high = 0.62 * min(s.manner.size, 1.35)
    for n in range(count):
        a = n * each
        off, wind, hit, back, land = (a + each * x for x in (0.22, 0.36, 0.50, 0.70, 0.84))
        for column, keys in (
            (1, ((off, 0.0), (wind, 0.34 * leg), (hit, -1.02 * leg), (back, -0.12 * leg), (land, 0.0))),
            (2, ((off, 0.0), (wind, 0.26 * leg), (hit, high * leg), (back, 0.20 * leg), (land, 0.0))),
        ):
            inside = (s.times >= a) & (s.times <= a + each)
            s.feet[:, 1, column] = np.where(inside, (stand[column] if column == 1 else 0.0)
                                            + curve(s, (a, 0.0), *keys, (a + each, 0.0)), s.feet[:, 1, column])
        s.foot_turn[:, 1, 0] += curve(s, (0, 0), (a, 0), (off - 0.1 * each, 0.0), (off, 0.35), (wind, 1.25),
                                      (hit, -0.05), (back, 0.25), (land, 0.0), (a + each, 0), (s.length + 1, 0))
        airborne(s, 1, off, land)
        s.contacts[(s.times > off - 0.1 * each) & (s.times <= off), 2] = 0
        over = np.clip(s.ease(a + 0.02, off) - s.ease(land, a + each * 0.99), 0, 1)
        s.pelvis[:, 0] += 0.105 * leg * over
        swing = curve(s, (0, 0), (a, 0), (off, 0.1), (wind, 0.5), (hit, -1.0), (back, -0.3), (land, 0), (a + each, 0),
                      (s.length + 1, 0))
        s.pelvis_turn[:, 0] += 0.16 * swing * over
        s.pelvis_turn[:, 1] += 0.10 * over
        s.pelvis_turn[:, 2] += 0.28 * np.maximum(-swing, 0) * over
        s.spine[:, 0] += 0.14 * np.maximum(-swing, 0) * over
        s.spine[:, 1] -= 0.08 * over
        s.spine[:, 2] += 0.22 * swing * over
        s.pelvis[:, 2] -= 0.018 * leg * over
        s.arm(0, over, 0.55, 0.55, 0.0, 0.6)
        s.arms[:, 0, 0] += -0.55 * swing * over
        s.arm(1, over, -0.1, 0.65, 0.0, 0.5)
        s.arms[:, 1, 0] += 0.5 * swing * over


def dance(s: Scene) -> None:
    leg = s.figure.leg
    bars = max(1, round(s.length * s.manner.tempo / 2.2))  # four beats each
    beat = s.length / bars / 4
    phase = 2 * np.pi * s.times / beat
    whole = phase / 4
    s.pelvis[:, 2] -= leg * 0.045 * s.manner.bounce * (0.5 - 0.5 * np.cos(phase)) + 0.02 * leg
    s.pelvis[:, 0] += leg * 0.085 * s.manner.sway * np.sin(phase / 2)
    s.pelvis_turn[:, 1] += -0.10 * s.manner.sway * np.sin(phase / 2)
    s.pelvis_turn[:, 2] += 0.20 * np.sin(whole)
    s.spine[:, 1] += 0.16 * np.sin(phase / 2)
    s.spine[:, 2] -= 0.22 * np.sin(whole)
    s.spine[:, 0] += 0.05 * (1 - np.cos(phase)) / 2
    s.head[:, 0] += 0.10 * np.sin(phase)
    s.head[:, 1] -= 0.10 * np.sin(phase / 2)
    for n in range(4 * bars):  # the foot without weight steps out and in
        side = 1 if n % 2 == 0 else 0
        out = 0.10 * leg if (n // 2) % 2 == 0 else 0.0
        step(s, side, (n + 0.18) * beat, (n + 0.72) * beat, (out, 0.02 * leg if out else 0.0), 0.06)
    for side, sign in ((0, 1.0), (1, -1.0)):
        pump = sign * np.sin(phase / 2)
        s.arms[:, side, 0] = 0.55 + 0.45 * s.manner.size * pump
        s.arms[:, side, 1] = 0.42 + 0.16 * np.sin(whole + side)
        s.arms[:, side, 2] = 0.25 * pump
        s.arms[:, side, 3] = 1.35 + 0.40 * pump
        s.shrug[:, side] += 0.06 + 0.05 * np.cos(phase)
        s.grip[:, side] = 0.5
    raised = np.clip(np.sin(whole) * 1.4, 0, 1) ** 2  # once a bar one hand goes up
    s.arm(0, raised, 0.35, 2.35, -0.2, 0.55)


def throw(s: Scene) -> None:
    leg = s.figure.leg
    t = s.length / max(s.length, 1.9 * s.pace) * 1.9 * s.pace
    a, b, c, d = 0.35 * t, 0.55 * t, 0.70 * t, t
    step(s, 0, 0.18 * t, 0.45 * t, (0.0, 0.28 * leg), 0.07)
    step(s, 0, 0.78 * t, 0.97 * t, (0.0, 0.0), 0.05)
    back = curve(s, (0, 0), (a, 1), (b, 0.0), (max(s.length, d), 0))
    out = curve(s, (0, 0), (a, 0), (b, 1), (c, 0.75), (d, 0), (max(s.length, d) + 1e-3, 0))
    s.arm(1, back, 0.15, 1.65, -1.45, 1.75)
    s.arm(1, out, 1.25, 0.25, 0.3, 0.25)
    s.arm(0, back, 1.15, 0.25, 0.0, 0.35)
    s.grip[:, 1] += (0.8 - s.grip[:, 1]) * back
    s.spine[:, 2] += -0.45 * back + 0.45 * out
    s.pelvis_turn[:, 2] += -0.35 * back + 0.28 * out
    s.head[:, 2] += 0.65 * back - 0.5 * out
    s.spine[:, 0] += -0.12 * back + 0.28 * out
    s.pelvis[:, 1] -= leg * (-0.04 * back + 0.14 * out)
    s.pelvis[:, 2] -= leg * 0.06 * (back + out)


def shoot_ball(s: Scene) -> None:
    """A basketball player's shot with both hands, on the toes."""
    leg, t = s.figure.leg, min(s.length, 1.9 * s.pace)
    load = curve(s, (0, 0), (0.40 * t, 1), (0.58 * t, 0), (s.length + 1, 0))
    shot = curve(s, (0, 0), (0.40 * t, 0), (0.60 * t, 1), (0.78 * t, 0.9), (t, 0), (s.length + 1, 0))
    narrow = s.figure.heads[7, 0] / s.figure.arm
    hold = np.clip(load + shot, 0, 1)
    for side in range(2):
        s.hand_to(side, hold, 0.16 - narrow, 0.42 + 0.20 * shot, -0.05 * load + 0.78 * shot, 0.45)
        s.wrists[:, side, 1] += 0.6 * load - 0.3 * shot
        s.shrug[:, side] += 0.25 * shot
        s.grip[:, side] *= 1 - 0.6 * hold
    s.pelvis[:, 2] += leg * (-0.16 * load + 0.03 * shot)
    s.pelvis[:, 1] += leg * 0.06 * load
    s.pelvis_turn[:, 0] += 0.22 * load
    s.head[:, 0] -= 0.22 * hold
    s.foot_turn[:, :, 0] = (0.42 * shot)[:, None]
    s.contacts[:, [0, 2]] = (shot < 1e-3)[:, None]


def pick_up(s: Scene) -> None:
    leg = s.figure.leg
    down = s.held(0.8, 0.8)
    s.pelvis[:, 2] -= (0.40 - s.manner.crouch) * leg * down
    s.pelvis[:, 1] += 0.22 * leg * down
    s.pelvis_turn[:, 0] += 0.75 * down
    s.spine[:, 0] += 0.50 * down
    s.head[:, 0] -= 0.35 * down
    s.knees_out += 0.15 * down[:, None]
    low = down**3
    s.arm(1, down, 1.35, 0.0, 0.0, 0.10)
    s.arm(0, down, 0.9, 0.1, 0.1, 0.75)
    s.grip[:, 1] += (0.85 - s.grip[:, 1]) * np.maximum(low, s.ease(0.5 * s.length, 0.6 * s.length))


def jumping_jacks(s: Scene) -> None:
    leg = s.figure.leg
    count = max(1, round(s.length / (1.0 * s.pace)))
    each = s.length / count
    phase = 2 * np.pi * s.times / each
    open_ = 0.5 - 0.5 * np.cos(phase)
    stand = stand_of(s.figure).feet
    halves = s.times / each * 2 + 1e-9  # twice a round a small hop
    half = np.floor(halves)
    within = halves - half
    flight = 0.6
    u = np.clip((within - 0.2) / flight, 0, 1)
    hop = 4 * u * (1 - u)
    smooth = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    spread = np.where(half % 2 == 0, smooth, 1 - smooth)
    for side, out in ((0, 1.0), (1, -1.0)):
        s.feet[:, side, 0] = stand[side, 0] + out * 0.24 * leg * spread
        s.feet[:, side, 2] += 0.07 * leg * hop
        s.foot_turn[:, side, 0] = 0.35 * np.sin(np.pi * u) ** 2
        s.contacts[:, 2 * side : 2 * side + 2] = ((u <= 0) | (u >= 1))[:, None]
        s.arms[:, side] = np.stack([0.15 * open_, 0.12 + 2.75 * open_, 0 * open_, 0.12 + 0.3 * np.sin(phase) ** 2], -1)
        s.shrug[:, side] += 0.3 * open_
    s.pelvis[:, 2] += leg * (0.10 * hop - 0.05 * (1 - hop) - 0.02)


def kneel(s: Scene) -> None:
    """Ends on the right knee."""
    leg = s.figure.leg
    down = s.ease(0.35 * s.pace, min(1.5 * s.pace, 0.9 * s.length))
    step(s, 0, 0.05, 0.5 * s.pace, (0.0, 0.30 * leg), 0.06)
    s.pelvis[:, 2] -= (0.47 - s.manner.crouch) * leg * down
    s.pelvis[:, 1] += 0.02 * leg * down
    s.foot_turn[:, 1, 0] = 1.15 * s.ease(0.3 * s.pace, min(1.2 * s.pace, 0.8 * s.length))
    s.contacts[:, 2] = (s.foot_turn[:, 1, 0] < 1e-3).astype(np.uint8)
    s.spine[:, 0] += 0.12 * np.sin(np.pi * down) + 0.05 * down
    s.arm(0, down, 0.65, 0.05, 0.1, 0.75)
