# SPDX-License-Identifier: GPL-3.0-or-later
"""What a standing figure does with its arms, its head and its trunk: wave, point, bow, clap, pray and the like.

Each begins and ends standing at ease, so that any may follow any other and all of them loop; what lasts longer than
it naturally does is held or repeated in the middle. Lengths are in seconds, angles in radians.
"""

from __future__ import annotations

import numpy as np

from backend.motion.figure import Figure
from backend.motion.manner import Manner
from backend.motion.stance import Stance
from backend.motion.turns import Array


class Scene(Stance):
    """A stance with the words that gestures are written in. length: seconds until it stands again as at first."""

    def __init__(self, figure: Figure, fps: float, length: float, loop: bool, manner: Manner):
        self.length, self.manner = length, manner
        super().__init__(figure, fps, max(2, round(length * fps) + (0 if loop else 1)))
        self.length = (self.count if loop else self.count - 1) / fps
        self.pace = 1.0 / manner.tempo  # seconds of what takes a second
        self.breathe()

    def breathe(self) -> None:
        """Standing is not standing still: breath in the chest, weight from leg to leg, in whole waves."""
        manner, t = self.manner, self.times
        waves = max(1, round(self.length / (3.4 if manner.tempo >= 0.8 else 4.4)))
        breath = np.sin(2 * np.pi * waves * t / self.length)
        slow = 1 - np.cos(2 * np.pi * max(1, round(self.length / 5.0)) * t / self.length)
        self.spine[:, 0] = manner.slump + manner.lean * 0.8 + 0.012 * breath
        self.head[:, 0] = manner.nod - manner.slump * 0.7 - manner.lean * 0.5 - 0.008 * breath
        self.head[:, 2] = manner.turn_head * 0.8 * self.slow_wave(3.0)
        self.shrug[:] = manner.shrug + 0.012 * breath[:, None]
        self.pelvis[:, 0] = 0.006 * self.figure.leg * slow * manner.sway
        self.pelvis[:, 2] = -self.figure.leg * (0.004 + manner.crouch)
        self.pelvis_turn[:, 1] = 0.006 * slow * manner.sway
        self.arms[:, :, 0] += 0.85 * (manner.slump + manner.lean * 0.8) + 0.01 * breath[:, None]  # arms hang down
        self.arms[:, :, 1] += manner.arms_out
        self.arms[:, :, 3] = np.maximum(self.arms[:, :, 3] + manner.elbows * 0.6, 0.06)
        if manner.wander:
            self.spine[:, 1] += 0.12 * manner.wander * self.slow_wave(2.4)
            self.pelvis[:, 0] += 0.03 * manner.wander * self.figure.leg * self.slow_wave(3.1)

    def slow_wave(self, seconds: float) -> Array:
        """(T,) a sine that begins and ends at 0, of about so many seconds a wave."""
        return np.asarray(np.sin(2 * np.pi * max(1, round(self.length / seconds)) * self.times / self.length))

    def ease(self, begin: float, end: float) -> Array:
        """(T,) from 0 to 1 without a kink."""
        x = np.clip((self.times - begin) / max(end - begin, 1e-6), 0, 1)
        return np.asarray(x * x * x * (x * (6 * x - 15) + 10))

    def held(self, rise: float, fall: float, begin: float = 0.0, end: float = 0.0) -> Array:
        """(T,) up within `rise` seconds from `begin` on, down within `fall` seconds before `end` seconds are left."""
        rise, fall = rise * self.pace, fall * self.pace
        room = self.length - begin - end
        if rise + fall > room:
            rise, fall = rise * room / (rise + fall), fall * room / (rise + fall)
        last = self.length - end
        return self.ease(begin, begin + rise) - self.ease(last - fall, last)

    def swings(self, a_second: float, within: Array, phase: float = 0.0) -> Array:
        """(T,) a sine of about so many waves a second, in whole waves of the length, where `within` lets it."""
        waves = max(1, round(self.length * a_second * self.manner.tempo))
        return np.asarray(np.sin(2 * np.pi * (waves * self.times / self.length) + phase) * within)

    def arm(self, side: int, share: Array, forward: float, sideways: float, twist: float, elbow: float) -> None:
        """Bring an arm to these angles as far as `share` (T,) says."""
        goal = np.array([forward, sideways, twist, elbow])
        self.arms[:, side] += share[:, None] * (goal - self.arms[:, side])

    def hand_to(self, side: int, share: Array, out: Array | float, ahead: Array | float, up: Array | float,
                elbow_out: float = 0.35) -> None:
        """Bring a wrist to a place in arm lengths from its shoulder as far as `share` says."""
        for column, value in enumerate((out, ahead, up)):
            old = self.reach[:, side, column]
            was = self.reach[:, side, 3] > 0
            self.reach[:, side, column] = np.where(was, old * (1 - share) + value * share, value)
        self.reach[:, side, 3] = np.maximum(self.reach[:, side, 3], share)
        self.elbow_out[:, side] += share * (elbow_out - self.elbow_out[:, side])


def idle(s: Scene) -> None:
    look = s.swings(0.13, np.ones(s.count))
    s.head[:, 2] += 0.10 * look
    s.pelvis[:, 0] += 0.012 * s.figure.leg * s.swings(0.17, np.ones(s.count), 0.6) - 0.012 * s.figure.leg * np.sin(0.6)
    s.arms[:, 0, 3] += 0.03 * look
    s.arms[:, 1, 3] -= 0.03 * look


def wave(s: Scene) -> None:
    up, size = s.held(0.55, 0.6), s.manner.size
    s.arm(1, up, 0.55, 1.10 + 0.25 * min(size, 1.3), -1.25, 1.75)
    shake = s.swings(1.7, s.held(0.4, 0.4, 0.35 * s.pace, 0.45 * s.pace))
    s.arms[:, 1, 2] += 0.36 * size * shake
    s.arms[:, 1, 3] += 0.12 * size * shake
    s.wrists[:, 1, 0] += 0.22 * shake
    s.grip[:, 1] *= 1 - up
    s.head[:, 1] -= 0.08 * up
    s.spine[:, 1] += 0.04 * up
    s.shrug[:, 1] += 0.10 * up


def wave_both(s: Scene) -> None:
    up = s.held(0.5, 0.6)
    shake = s.swings(1.4, s.held(0.4, 0.4, 0.35 * s.pace, 0.45 * s.pace))
    for side in range(2):
        s.arm(side, up, 0.35, 2.45, -0.4, 0.45)
        s.arms[:, side, 1] += 0.28 * s.manner.size * shake * (1 if side else -1)
        s.shrug[:, side] += 0.2 * up
        s.grip[:, side] *= 1 - up


def point(s: Scene) -> None:
    up = s.held(0.45, 0.6)
    s.hand_to(1, up, -0.05, 0.95, 0.06, 0.3)
    s.spine[:, 2] += 0.20 * up
    s.head[:, 2] -= 0.16 * up
    s.grip[:, 1] += (0.75 - s.grip[:, 1]) * up
    s.shrug[:, 1] += 0.04 * up


def reach(s: Scene) -> None:
    up = s.held(0.8, 0.8)
    s.hand_to(1, up, -0.02, 0.80, 0.62, 0.5)
    s.spine[:, 0] += 0.10 * up
    s.spine[:, 2] += 0.22 * up
    s.shrug[:, 1] += 0.30 * up
    s.head[:, 0] -= 0.30 * up
    s.foot_turn[:, :, 0] = 0.22 * up[:, None] * np.array([0.6, 1.0])
    s.pelvis[:, 2] += 0.025 * s.figure.leg * up
    s.contacts[:, [0, 2]] = (s.foot_turn[:, :, 0] < 1e-3).astype(np.uint8)
    s.grip[:, 1] *= 1 - 0.6 * up


def nod(s: Scene) -> None:
    s.head[:, 0] += 0.13 * s.held(0.2, 0.3) + s.manner.size * 0.22 * s.swings(1.25, s.held(0.25, 0.35), -0.4)


def shake_head(s: Scene) -> None:
    s.head[:, 2] += s.manner.size * 0.45 * s.swings(1.1, s.held(0.3, 0.4))


def look_around(s: Scene) -> None:
    within = s.held(0.5, 0.6)
    look = s.swings(0.28, within)
    sharp = np.tanh(2.2 * look) / np.tanh(2.2)
    s.head[:, 2] += 0.85 * sharp
    s.head[:, 0] += 0.06 * s.swings(0.5, within)
    s.spine[:, 2] += 0.38 * sharp
    s.pelvis_turn[:, 2] += 0.10 * sharp


def bow(s: Scene) -> None:
    down, size = s.held(0.8, 0.9), min(s.manner.size, 1.3)
    s.pelvis_turn[:, 0] += 0.62 * size * down
    s.spine[:, 0] += 0.42 * size * down
    s.head[:, 0] += 0.25 * down
    s.pelvis[:, 1] += 0.16 * s.figure.leg * down
    for side in range(2):
        s.arm(side, down, 0.85 * size, 0.06, 0.1, 0.18)


def bend(s: Scene) -> None:
    down = s.held(0.9, 0.9)
    s.pelvis_turn[:, 0] += 1.0 * down
    s.spine[:, 0] += 0.75 * down
    s.pelvis[:, 1] += 0.26 * s.figure.leg * down
    s.pelvis[:, 2] -= 0.03 * s.figure.leg * down
    for side in range(2):
        s.arm(side, down, 1.35, 0.05, 0.0, 0.10)


def clap(s: Scene) -> None:
    up = s.held(0.45, 0.5)
    beat = s.swings(2.2, np.ones(s.count))
    gap = 0.16 + 0.15 * s.manner.size * beat
    narrow = s.figure.heads[7, 0] / s.figure.arm  # from shoulder to the middle
    for side in range(2):
        s.hand_to(side, up, gap - narrow - 0.02, 0.62, -0.22, 0.75)
        s.wrists[:, side, 1] += 0.25 * up
        s.grip[:, side] *= 1 - 0.8 * up
    s.head[:, 0] += 0.03 * beat * up


def pray(s: Scene) -> None:
    up = s.held(0.7, 0.7)
    narrow = s.figure.heads[7, 0] / s.figure.arm
    for side in range(2):
        s.hand_to(side, up, 0.05 - narrow, 0.42, -0.12, 0.7)
        s.wrists[:, side, 1] += 0.75 * up
        s.grip[:, side] *= 1 - up
    s.head[:, 0] += 0.38 * up
    s.spine[:, 0] += 0.08 * up


def cry(s: Scene) -> None:
    up = s.held(0.7, 0.8)
    narrow = s.figure.heads[7, 0] / s.figure.arm
    sob = s.swings(1.9, up)
    for side in range(2):
        s.hand_to(side, up, 0.10 - narrow, 0.36, 0.20, 0.5)
        s.wrists[:, side, 0] += 0.3 * up
        s.shrug[:, side] += 0.10 * up + 0.05 * sob
    s.head[:, 0] += 0.45 * up
    s.spine[:, 0] += 0.28 * up + 0.035 * sob


def eat(s: Scene) -> None:
    within = s.held(0.4, 0.5)
    bites = max(1, round(s.length / (1.6 * s.pace)))
    bite = within * (0.5 - 0.5 * np.cos(2 * np.pi * bites * s.times / s.length))
    narrow = s.figure.heads[7, 0] / s.figure.arm
    s.hand_to(1, within, (0.14 - narrow), 0.50 - 0.16 * bite, -0.45 + 0.62 * bite, 0.45)
    s.hand_to(0, within, 0.12 - narrow, 0.48, -0.48, 0.35)
    s.grip[:, 1] += (0.7 - s.grip[:, 1]) * within
    s.head[:, 0] += 0.12 * within + 0.05 * bite


def salute(s: Scene) -> None:
    up = s.held(0.35, 0.45)
    narrow = s.figure.heads[7, 0] / s.figure.arm
    s.hand_to(1, up, 0.24 - narrow, 0.24, 0.36, 1.45)
    s.grip[:, 1] *= 1 - up
    s.spine[:, 0] -= 0.05 * up


def shrug(s: Scene) -> None:
    up = s.held(0.35, 0.45)
    for side in range(2):
        s.shrug[:, side] += 0.38 * up
        s.arm(side, up, 0.30, 0.28, -0.95, 1.45)
        s.grip[:, side] *= 1 - up
    s.head[:, 1] += 0.14 * up


def talk(s: Scene) -> None:
    within = s.held(0.5, 0.6)
    for side, phase in ((0, 0.0), (1, 1.9)):
        beat = s.swings(0.9, within, phase) + 0.5 * s.swings(1.5, within, phase * 2)
        s.arm(side, within, 0.42, 0.22, -0.1, 1.15)
        s.arms[:, side, 0] += 0.16 * s.manner.size * beat
        s.arms[:, side, 3] += 0.24 * s.manner.size * beat
        s.arms[:, side, 2] -= 0.25 * beat
    s.head[:, 0] += 0.06 * s.swings(1.1, within)
    s.head[:, 2] += 0.12 * s.swings(0.4, within)
    s.spine[:, 2] += 0.06 * s.swings(0.4, within)


def argue(s: Scene) -> None:
    talk(s)
    within = s.held(0.4, 0.5)
    stab = np.maximum(s.swings(1.1, within), 0.0) ** 2
    s.hand_to(1, within, 0.0, 0.55 + 0.32 * stab, -0.12 + 0.12 * stab, 0.6)
    s.grip[:, 1] += (0.8 - s.grip[:, 1]) * within
    s.spine[:, 0] += 0.10 * within + 0.07 * stab
    s.head[:, 0] += 0.06 * stab


def cheer(s: Scene) -> None:
    up = s.held(0.4, 0.5)
    beat = s.swings(1.6, up)
    for side in range(2):
        s.arm(side, up, 0.6, 2.35, -0.3, 0.75)
        s.arms[:, side, 3] += 0.45 * s.manner.size * beat
        s.shrug[:, side] += 0.22 * up
        s.grip[:, side] += (0.9 - s.grip[:, side]) * up
    s.pelvis[:, 2] -= s.figure.leg * 0.03 * s.manner.bounce * (up - beat)
    s.head[:, 0] -= 0.15 * up
    s.spine[:, 0] -= 0.05 * up


def raise_arms(s: Scene) -> None:
    up = s.held(0.8, 0.8)
    for side in range(2):
        s.arm(side, up, 0.05, 2.85, 0.0, 0.12)
        s.shrug[:, side] += 0.32 * up
        s.grip[:, side] *= 1 - 0.7 * up
    s.head[:, 0] -= 0.12 * up


def stretch(s: Scene) -> None:
    raise_arms(s)
    up = s.held(1.0, 0.9)
    s.spine[:, 0] -= 0.22 * up
    s.spine[:, 1] += 0.22 * s.swings(0.3, up)
    s.head[:, 0] -= 0.18 * up


def cross_arms(s: Scene) -> None:
    up = s.held(0.7, 0.7)
    narrow = s.figure.heads[7, 0] / s.figure.arm
    for side, low in ((0, 0.05), (1, -0.05)):
        s.hand_to(side, up, -narrow - 0.26, 0.34 + 0.06 * side, -0.36 + low, 0.55)
    s.spine[:, 0] -= 0.03 * up


def hands_on_hips(s: Scene) -> None:
    up = s.held(0.6, 0.6)
    for side in range(2):
        s.hand_to(side, up, 0.06, -0.02, -0.72, 1.35)
        s.grip[:, side] += (0.5 - s.grip[:, side]) * up


def think(s: Scene) -> None:
    up = s.held(0.7, 0.7)
    narrow = s.figure.heads[7, 0] / s.figure.arm
    s.hand_to(1, up, 0.08 - narrow, 0.34, 0.10, 0.15)
    s.hand_to(0, up, -narrow - 0.15, 0.40, -0.45, 0.4)
    s.grip[:, 1] += (0.6 - s.grip[:, 1]) * up
    s.head[:, 0] += 0.14 * up
    s.head[:, 1] -= 0.08 * up


def push(s: Scene) -> None:
    within = s.held(0.5, 0.6)
    stroke = within * (0.5 - 0.5 * np.cos(2 * np.pi * max(1, round(s.length / (1.6 * s.pace))) * s.times / s.length))
    for side in range(2):
        s.hand_to(side, within, 0.02, 0.48 + 0.46 * stroke, 0.0, 0.6)
        s.wrists[:, side, 1] += 0.9 * within
        s.grip[:, side] *= 1 - within
    s.pelvis_turn[:, 0] += 0.16 * within + 0.10 * stroke
    s.pelvis[:, 1] -= s.figure.leg * (0.02 * within + 0.05 * stroke)
    s.head[:, 0] -= 0.16 * within


def beckon(s: Scene) -> None:
    up = s.held(0.45, 0.5)
    s.hand_to(1, up, 0.02, 0.62 + 0.14 * s.swings(1.3, up), 0.02 + 0.14 * s.swings(1.3, up, 1.2), 0.4)
    s.grip[:, 1] += (0.45 + 0.35 * s.swings(1.3, up, 0.8) - s.grip[:, 1]) * up
    s.head[:, 0] += 0.04 * s.swings(1.3, up)
