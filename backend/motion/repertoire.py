# SPDX-License-Identifier: GPL-3.0-or-later
"""The generators by name: one function from a part of a sentence to a take on a figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backend.motion import actions, gaits, gestures
from backend.motion.clean import lifted
from backend.motion.crawling import crawl
from backend.motion.figure import PLACE, UPPER, Figure
from backend.motion.gestures import Scene
from backend.motion.index import Entry
from backend.motion.manner import Manner
from backend.motion.stance import solve
from backend.motion.take import Take, cut, join, mirror, resample
from backend.motion.words import Part

GAITS = {
    "walk": gaits.WALK, "run": gaits.RUN, "jog": gaits.JOG, "sneak": gaits.WALK, "walk_backwards": gaits.BACKWARDS,
    "sidestep": gaits.SIDESTEP,
}
GESTURES: dict[str, Callable[[Scene], None]] = {
    one.__name__: one for one in (
        gestures.idle, gestures.wave, gestures.wave_both, gestures.point, gestures.reach, gestures.nod,
        gestures.shake_head, gestures.look_around, gestures.bow, gestures.bend, gestures.clap, gestures.pray,
        gestures.cry, gestures.eat, gestures.salute, gestures.shrug, gestures.talk, gestures.argue, gestures.cheer,
        gestures.raise_arms, gestures.stretch, gestures.cross_arms, gestures.hands_on_hips, gestures.think,
        gestures.push, gestures.beckon,
        actions.jump, actions.squat, actions.sit, actions.sitting, actions.stand_up, actions.kneel, actions.punch,
        actions.kick, actions.dance, actions.throw, actions.shoot_ball, actions.pick_up, actions.jumping_jacks,
    )
}
ARM = tuple(PLACE["Right" + part] for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
ARMS = ARM + tuple(PLACE["Left" + part] for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
HEAD = (PLACE["Neck"], PLACE["Head"])
LAYERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("wave", "point", "beckon", "salute", "reach"), ARM + HEAD),
    **dict.fromkeys(("nod", "shake_head"), HEAD),
    "look_around": (*HEAD, PLACE["Spine1"], PLACE["Spine2"]),
    **dict.fromkeys(("clap", "cheer", "raise_arms", "wave_both", "pray", "talk", "cross_arms", "hands_on_hips", "think",
                     "eat", "shrug", "argue"), ARMS + HEAD),
}
"""Joints that a gesture takes over when it is done on the way; all above the hips where it is not named here."""
BEGINS_SEATED, ENDS_SEATED = ("stand_up", "sitting"), ("sit", "sitting")
SEATED = frozenset(LAYERS) | {"stretch", "cry", "idle", "push"}
"""What can be done without getting up."""
REPEATED = ("jump", "throw", "shoot_ball", "pick_up", "bow", "salute", "shrug", "stretch", "kneel", "sit")
"""What is done once a take; the others repeat themselves when they are given more time."""
GAIT_METRES = {"walk": 3.2, "run": 7.0, "jog": 5.0, "sneak": 2.0, "walk_backwards": 1.8, "sidestep": 1.4}
LOOP_SECONDS = 2.0  # of an endless gait when nothing is said


def natural_seconds(entry: Entry, part: Part, manner: Manner) -> float:
    """How long it lasts when nobody says; 0 for gaits, whose way decides."""
    seconds = entry.seconds / manner.tempo
    return seconds * max(part.times, 1)


def make(entry: Entry, part: Part, figure: Figure, fps: float, frames: int, manner: Manner, loop: bool) -> Take:
    """The take of a generator. frames: exactly so many, 0 for what is natural; loop: shall lead into its beginning."""
    if entry.name in GAITS:
        take = _gait(entry.name, part, figure, fps, frames, manner, loop)
    elif entry.name == "crawl":
        take = _crawl(figure, fps, frames, manner, loop)
    elif entry.name == "turn":
        angle = math.radians(part.degrees or 90.0) * (-1 if part.direction == "right" else 1)
        take = gaits.along(figure, gaits.in_manner(gaits.TURN, manner), fps, gaits.around(angle), manner,
                           0 if angle > 0 else 1)
    else:
        take = _gesture(entry, part, figure, fps, frames, manner, loop)
    if frames and len(take) != frames:
        take = resample(take, fps, frames=frames)
    return take


def _gesture(entry: Entry, part: Part, figure: Figure, fps: float, frames: int, manner: Manner, loop: bool) -> Take:
    seconds = (frames - (0 if loop else 1)) / fps if frames else natural_seconds(entry, part, manner)
    repeats = max(part.times, 1) if entry.name in REPEATED else 1
    scene = Scene(figure, fps, seconds / repeats, loop and repeats == 1, manner)
    GESTURES[entry.name](scene)
    take = solve(scene, loop and repeats == 1)
    if entry.name == "jump" and any(word in part.text for word in ("forward", "over", "ahead", "across")):
        take = _carried(take, figure.leg * 1.1)
    if repeats > 1:
        take = join([take] * repeats, 0.12)
    other = "left" in part.text.split() and entry.name not in ("look_around", "dance", "idle", "sit")
    return mirror(take) if other else take


def _carried(take: Take, metres: float) -> Take:
    """A jump that lands farther ahead: moved while nothing stands."""
    off = ~take.contacts.any(1)
    share = np.cumsum(off) / max(off.sum(), 1)
    way = np.stack([0 * share, -metres * share], -1)
    root = take.root.copy()
    root[:, :2] += way
    return replace(take, root=root, path=take.path + way, loop=False)


def _gait(name: str, part: Part, figure: Figure, fps: float, frames: int, manner: Manner, loop: bool) -> Take:
    heading = {"walk_backwards": math.pi, "sidestep": -math.pi / 2 if part.direction == "right" else math.pi / 2}.get(
        name, 0.0)
    gait = gaits.in_manner(GAITS[name], manner)
    if loop:
        return gaits.endless(figure, gait, fps, frames or round(LOOP_SECONDS * fps), manner, heading)
    cadence = gait.cadence or gaits.natural_cadence(gait.speed)
    pace = gait.speed * np.sqrt(figure.leg / gaits.LEG)
    period = np.sqrt(figure.leg / gaits.LEG) / cadence
    metres = part.metres
    if not metres and frames:
        metres = max(0.3, (frames / fps - 0.55 - 1.3 * period) * pace)
    metres = metres or GAIT_METRES[name] * figure.leg / gaits.LEG * min(1.0, manner.speed + 0.2)
    stations = gaits.straight(figure, gait, metres, heading)
    if "circle" in part.text:
        stations = _circle(len(stations), metres, part.direction != "right")
    elif part.direction in ("left", "right") and heading == 0.0:
        stations = _curve(stations, math.pi / 2 if part.direction == "left" else -math.pi / 2)
    return gaits.along(figure, gait, fps, stations, manner)


def _curve(stations: list[gaits.Station], angle: float) -> list[gaits.Station]:
    """The same steps on a way that turns by an angle."""
    step = math.hypot(stations[1][0] - stations[0][0], stations[1][1] - stations[0][1])
    x = y = 0.0
    curved = [(0.0, 0.0, 0.0)]
    turning = max(2, min(4, len(stations) - 1))
    for n in range(1, len(stations)):
        heading = angle * min(n / turning, 1.0)
        x, y = x + step * math.sin(heading), y - step * math.cos(heading)
        curved.append((x, y, heading))
    return curved


def _circle(count: int, metres: float, left: bool) -> list[gaits.Station]:
    """Steps once around a circle."""
    count = max(count, 8)
    radius = max(metres, 3.0) / (2 * math.pi)
    sign = 1.0 if left else -1.0
    return [(sign * radius * (1 - math.cos(2 * math.pi * n / count)), -radius * math.sin(2 * math.pi * n / count),
             sign * 2 * math.pi * n / count) for n in range(count + 1)]


def _crawl(figure: Figure, fps: float, frames: int, manner: Manner, loop: bool) -> Take:
    if loop:
        return crawl(figure, fps, frames, manner)
    going = crawl(figure, fps, max(frames - round(2.2 * fps), round(2.4 * fps)), manner)
    going = cut(going, 0, len(going))
    scene = Scene(figure, fps, 0.5, False, manner)
    stand = solve(scene)
    whole = lifted(figure, join([stand, going, stand], 0.9))
    still = np.zeros((len(whole), 1), np.uint8)  # feet stand before the way down
    still[: len(stand) - round(0.25 * fps)] = 1
    return replace(whole, contacts=whole.contacts * still)


def over(entry: Entry) -> tuple[int, ...]:
    """The joints that this takes over as a layer."""
    return LAYERS.get(entry.name, UPPER)
