# SPDX-License-Identifier: GPL-3.0-or-later
"""How animals move: four legs walk, trot and run, birds flap and walk, snakes slither, fish swim, all of them wait.

The skeletons are those of the rig job's templates, known by their joints' names. Legs stand exactly, as those of
people do; a snake's body follows the track of its head, so that nothing slips sideways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.motion.creature import Creature, carry, limb, motion_of, shares, sway, whole_rounds
from backend.motion.manner import MANNERS, Manner, manner_of
from backend.motion.turns import Array, about, between, euler
from backend.motion.words import parse
from protocol.errors import BadRequest
from protocol.motion import Motion
from protocol.skeleton import Skeleton

ENDS = ("LeftHind", "LeftFront", "RightHind", "RightFront")  # as the columns of the contacts
WALK = (0.0, 0.25, 0.5, 0.75)  # when each of ENDS lands: hind, then front of the same side (lateral sequence)
TROT = (0.0, 0.5, 0.5, 0.0)
TWO = {"Left": 0.0, "Right": 0.5}


@dataclass(frozen=True)
class Pace:
    """speed and stride in legs (a second, a round); duty; lift in legs; bob in legs, two a round; roll of the body."""

    speed: float
    stride: float
    duty: float
    lift: float
    bob: float
    sway: float


PACES = {"walk": Pace(1.3, 1.25, 0.64, 0.14, 0.018, 0.06), "trot": Pace(2.6, 1.55, 0.46, 0.2, 0.04, 0.03),
         "run": Pace(4.2, 1.9, 0.38, 0.26, 0.06, 0.03)}


def kind_of(names: Sequence[str]) -> str:
    """quadruped, bird, snake or fish by the names of the joints; empty for none of them."""
    have = set(names)
    if {"LeftFrontUpLeg", "RightHindUpLeg"} <= have:
        return "quadruped"
    if {"LeftWing", "RightWing"} <= have:
        return "bird"
    if "LeftUpLeg" in have or "Hips" not in have:
        return ""
    if "Spine8" in have:
        return "snake"
    return "fish" if "Tail1" in have else ""


def perform(kind: str, skeleton: Skeleton, names: Sequence[str], prompt: str, fps: float, frames: int = 0,
            style: float = 1.0, root_mode: str = "in_place") -> tuple[Motion, list[dict[str, Any]]]:
    """(a loop for what the words mean to an animal of this kind, what was chosen). Raises BadRequest for words that it
    cannot follow."""
    part = parse(prompt)[0]
    creature = Creature(skeleton, tuple(names))
    manner = manner_of([word for word in part.manners if word in MANNERS], style)
    what = _meant(kind, part.concepts)
    if not what:
        raise BadRequest(f"A {kind} does not know how to do this: {prompt!r}.", path="prompt",
                         hint=f"It can {', '.join(KNOWN[kind])}.")
    makers = {"quadruped": _on_legs, "bird": _bird, "snake": _snake, "fish": _fish}
    if what == "idle":
        motion = _idle(creature, fps, frames, manner, root_mode)
    else:
        motion = makers[kind](creature, what, fps, frames, manner, root_mode)
    return motion, [{"text": part.text, "motion": f"{kind} {what}", "source": "generator",
                     "manner": sorted(set(part.manners)), "begin": 0, "frames": len(motion)}]


KNOWN = {"quadruped": ("walk", "trot", "run", "idle"), "bird": ("fly", "walk", "run", "idle"),
         "snake": ("slither", "idle"), "fish": ("swim", "idle")}


def _meant(kind: str, concepts: Sequence[str]) -> str:
    words = {"walk": "walk", "sneak": "walk", "jog": "trot", "run": "run", "idle": "idle", "fly": "fly", "swim": "swim",
             "slither": "slither", "look": "idle"}
    everything = {"snake": {"walk": "slither", "run": "slither", "crawl": "slither", "trot": "slither"},
                  "fish": {"walk": "swim", "run": "swim", "fly": "swim", "slither": "swim"}, "bird": {"trot": "run"}}
    for concept in concepts:
        word = words.get(concept, concept)
        word = everything.get(kind, {}).get(word, word)
        if word in KNOWN[kind]:
            return word
    return ""


def _on_legs(creature: Creature, what: str, fps: float, frames: int, manner: Manner, root_mode: str) -> Motion:
    """Any even number of legs that are called UpLeg, Leg, Foot, Toe."""
    skeleton = creature.skeleton
    pace = PACES["run" if what == "run" else what]
    four = dict(zip(ENDS, WALK if what == "walk" else TROT, strict=True))
    phases = four if "LeftHindUpLeg" in creature.names else TWO
    limbs = {end: ([creature.at(f"{end}{part}") for part in ("UpLeg", "Leg", "Foot", "Toe")], phase)
             for end, phase in phases.items()}
    rest = skeleton.heads.astype(np.float64)
    leg = float(np.mean([np.linalg.norm(np.diff(rest[joints], axis=0), axis=1).sum() for joints, _ in limbs.values()]))
    stride = pace.stride * leg * manner.stride
    # Froude: a leg of half a metre takes speed by the square root of its length.
    period = stride / (pace.speed * manner.speed * leg**0.5 * 0.7)
    frames, rounds, period = whole_rounds(frames, fps, period)
    phase = np.arange(frames) / frames * rounds
    forward = np.array([0.0, -1.0, 0.0])
    path = phase[:, None] * stride * forward
    turns = np.tile(np.eye(3), (frames, len(skeleton), 1, 1))
    wave = 2 * np.pi * phase
    body = euler(np.stack([0.025 * np.sin(2 * wave + 0.8) + manner.lean * 0.4, pace.sway * np.sin(wave),
                           0.05 * np.sin(wave + 0.5)], -1))
    turns[:, 0] = body
    moved = {0}
    for share, joint in shares(creature.chain("Spine")):
        turns[:, joint] = body @ euler(np.stack([0.03 * share * np.sin(2 * wave), 0 * wave,
                                                 -0.10 * share * np.sin(wave + 0.5)], -1))
        moved.add(joint)
    sway(creature, turns, wave, manner, moved)
    carry(creature, turns, moved | {joint for joints, _ in limbs.values() for joint in joints})
    root = path.copy()
    root[:, 2] = leg * pace.bob * manner.bounce * np.cos(2 * wave)
    places = {}
    lack = np.zeros(frames)
    contacts = np.zeros((frames, 4), np.uint8)
    heads = creature.heads(turns, root)
    for column, (end, (joints, at)) in enumerate(limbs.items()):
        u = (phase - at) % 1.0
        swing = np.clip((u - pace.duty) / (1 - pace.duty), 0, 1)
        smooth = swing - np.sin(2 * np.pi * swing) / (2 * np.pi)
        # Standing toes stay where they are; the way of the body is taken off them.
        ahead = stride * (pace.duty / 2 - u + smooth)
        toe = rest[joints[3]] + path + ahead[:, None] * forward
        toe[:, 2] += leg * pace.lift * manner.lift * np.sin(np.pi * swing) ** 2
        fold = (0.5 if "Front" in end else 0.35) * np.sin(np.pi * swing) ** 2
        push = 0.35 * np.clip((u - 0.6 * pace.duty) / (0.4 * pace.duty), 0, 1) * (swing <= 0) + 0.35 * (1 - smooth) * (
            swing > 0)
        foot = about("x", push + fold)
        ankle = toe + (foot @ (rest[joints[2]] - rest[joints[3]])[:, None])[..., 0]
        places[end] = (joints, ankle, foot, swing)
        first, second = (float(np.linalg.norm(rest[joints[n + 1]] - rest[joints[n]])) for n in (0, 1))
        hip = heads[:, joints[0]]
        flat = np.linalg.norm((ankle - hip)[:, :2], axis=-1)
        highest = ankle[:, 2] + np.sqrt(np.maximum((0.995 * (first + second)) ** 2 - flat**2, 1e-6))
        lack = np.minimum(lack, np.where(swing <= 0, highest - hip[:, 2], 0.0))
        standing = (swing <= 0).astype(np.uint8)
        if len(limbs) == 4:
            contacts[:, column] = standing
        else:
            contacts[:, 2 * column] = contacts[:, 2 * column + 1] = standing
    root[:, 2] += lack.min()
    heads = creature.heads(turns, root)
    for joints, ankle, foot, swing in places.values():
        upper, lower = limb(rest[joints[1]] - rest[joints[0]], rest[joints[2]] - rest[joints[1]],
                            ankle - heads[:, joints[0]])
        turns[:, joints[0]], turns[:, joints[1]], turns[:, joints[2]] = upper, lower, foot
        turns[:, joints[3]] = about("x", 0.9 * np.sin(np.pi * swing) ** 2)
    named = {joint for joints, _ in limbs.values() for joint in joints}
    carry(creature, turns, moved | named)
    return motion_of(creature, turns, root, path, contacts, fps, stride * rounds * forward, root_mode)


def _idle(creature: Creature, fps: float, frames: int, manner: Manner, root_mode: str) -> Motion:
    frames, rounds, _ = whole_rounds(frames, fps, 5.0 / manner.tempo)
    wave = 2 * np.pi * np.arange(frames) / frames * rounds
    turns = np.tile(np.eye(3), (frames, len(creature.skeleton), 1, 1))
    moved = {0}
    for joint in creature.chain("Spine")[:4]:
        turns[:, joint] = turns[:, creature.skeleton.parents[joint]] @ euler(
            np.stack([0.008 * np.sin(2 * wave), 0 * wave, 0.01 * np.sin(wave)], -1))
        moved.add(joint)
    sway(creature, turns, wave, manner, moved)
    legs = {n for n, name in enumerate(creature.names) if any(part in name for part in ("Leg", "Foot", "Toe"))}
    carry(creature, turns, moved | legs)  # who stands keeps the legs as they are
    zero = np.zeros((frames, 3))
    return motion_of(creature, turns, zero, zero, np.ones((frames, 4), np.uint8), fps, np.zeros(3), root_mode)


def _bird(creature: Creature, what: str, fps: float, frames: int, manner: Manner, root_mode: str) -> Motion:
    if what != "fly":
        if "LeftUpLeg" not in creature.names:
            raise BadRequest("This bird's legs have no bones.", path="prompt", hint="Let it fly.")
        return _on_legs(creature, what, fps, frames, manner, root_mode)
    skeleton = creature.skeleton
    rest = skeleton.heads.astype(np.float64)
    span = float(np.linalg.norm(skeleton.tails[creature.at("LeftHandWing")] - rest[creature.at("LeftWing")]))
    frames, rounds, period = whole_rounds(frames, fps, 0.55 * np.sqrt(span / 0.5) / manner.tempo)
    phase = np.arange(frames) / frames * rounds
    wave = 2 * np.pi * phase
    forward = np.array([0.0, -1.0, 0.0])
    step = 4.0 * span * manner.speed
    path = phase[:, None] * step * forward
    turns = np.tile(np.eye(3), (frames, len(skeleton), 1, 1))
    moved = {0}
    turns[:, 0] = euler(np.stack([0.06 * np.sin(wave + 0.4), 0 * wave, 0 * wave], -1))
    root = path.copy()
    root[:, 2] = -0.14 * span * np.sin(wave) * manner.bounce
    for joint in creature.chain("Spine"):
        turns[:, joint] = turns[:, 0]
        moved.add(joint)
    sway(creature, turns, wave * 0.0, manner, moved)
    for side, out in (("Left", 1.0), ("Right", -1.0)):
        up = 0.15 + 0.60 * manner.size * np.sin(wave)
        late = 0.38 * np.sin(wave - 0.9) - 0.35 * np.maximum(np.cos(wave), 0)  # folds on the way up
        far = 0.34 * np.sin(wave - 1.6) - 0.40 * np.maximum(np.cos(wave), 0)
        above = turns[:, creature.skeleton.parents[creature.at(f"{side}Wing")]]
        folded = np.maximum(np.cos(wave), 0)
        for name, lift, sweep in (("Wing", up, 0.10 * np.cos(wave)), ("ForeWing", late, 0.25 * folded),
                                  ("HandWing", far, 0.35 * folded)):
            joint = creature.at(f"{side}{name}")
            above = above @ about("y", -out * lift) @ about("z", out * sweep)
            turns[:, joint] = above
            moved.add(joint)
        if f"{side}UpLeg" in creature.names:  # legs drawn up
            for name, angle in (("UpLeg", 0.9), ("Leg", -0.7), ("Foot", 0.6)):
                joint = creature.at(f"{side}{name}")
                parent = creature.skeleton.parents[joint]
                turns[:, joint] = turns[:, parent] @ about("x", np.full(frames, angle))
                moved.add(joint)
    carry(creature, turns, moved)
    contacts = np.zeros((frames, 4), np.uint8)
    return motion_of(creature, turns, root, path, contacts, fps, step * rounds * forward, root_mode)


def _snake(creature: Creature, what: str, fps: float, frames: int, manner: Manner, root_mode: str) -> Motion:
    """A serpenoid (Hirose 1993): the heading along the track is a sine of the way, and the body follows the track."""
    spine = creature.chain("Spine")
    rest, tails = creature.skeleton.heads.astype(np.float64), creature.skeleton.tails.astype(np.float64)
    lengths = np.linalg.norm(tails[spine] - rest[spine], axis=1)
    length = float(lengths.sum())
    wavelength = 0.55 * length * manner.stride
    frames, rounds, _ = whole_rounds(frames, fps, wavelength / (0.45 * length * manner.speed))
    most = 0.75 * manner.size
    way = np.arange(frames) / frames * rounds * wavelength
    fine = np.linspace(-length * 1.2, rounds * wavelength + length, 4000)
    heading = most * np.sin(2 * np.pi * fine / wavelength)
    track = np.concatenate([[[0, 0]], np.cumsum(np.stack([np.sin(heading), -np.cos(heading)], -1)[:-1]
                                                * np.diff(fine)[:, None], 0)])

    def at(s: Array) -> Array:
        return np.stack([np.interp(s, fine, track[:, 0]), np.interp(s, fine, track[:, 1]), 0 * s], -1)

    turns = np.tile(np.eye(3), (frames, len(creature.skeleton), 1, 1))
    moved = {0}
    behind = 0.0
    for joint, size in zip(spine, lengths, strict=True):
        a, b = at(way - behind), at(way - behind - size)
        turns[:, joint] = between(np.broadcast_to(tails[joint] - rest[joint], a.shape), b - a)
        behind += float(size)
        moved.add(joint)
    here = 2 * np.pi * way / wavelength
    first = tails[0] - rest[0]
    size = float(np.linalg.norm(first))
    neck = at(way + size)
    turns[:, 0] = between(np.broadcast_to(first, neck.shape), at(way) - neck)
    for joint in (n for n, name in enumerate(creature.names) if name == "Head"):
        ahead = tails[joint] - rest[joint]
        level = np.stack([0.3 * np.sin(most * np.sin(here)), -np.cos(0.3 * most * np.sin(here)), 0.12 + 0 * here], -1)
        turns[:, joint] = between(np.broadcast_to(ahead, level.shape), level)
        moved.add(joint)
    carry(creature, turns, moved)
    start = at(np.array([size]))[0]
    root = neck - start
    stride = at(np.array([size + rounds * wavelength]))[0] - start
    path = (np.arange(frames) / frames)[:, None] * stride
    contacts = np.zeros((frames, 4), np.uint8)
    return motion_of(creature, turns, root, path, contacts, fps, stride, root_mode)


def _fish(creature: Creature, what: str, fps: float, frames: int, manner: Manner, root_mode: str) -> Motion:
    skeleton = creature.skeleton
    length = float(np.ptp(np.concatenate([skeleton.heads, skeleton.tails])[:, 1]))
    frames, rounds, _ = whole_rounds(frames, fps, 0.8 / manner.tempo)
    phase = np.arange(frames) / frames * rounds
    wave = 2 * np.pi * phase
    turns = np.tile(np.eye(3), (frames, len(skeleton), 1, 1))
    turns[:, 0] = about("z", 0.06 * np.sin(wave))
    moved = {0}
    for share, joint in shares(creature.chain("Tail")):
        bend = about("z", (0.10 + 0.28 * share) * manner.size * np.sin(wave - 1.8 * share - 0.6))
        turns[:, joint] = turns[:, skeleton.parents[joint]] @ bend
        moved.add(joint)
    for joint in (*creature.chain("Spine"), *(n for n, name in enumerate(creature.names) if name == "Head")):
        turns[:, joint] = about("z", -0.07 * np.sin(wave))
        moved.add(joint)
    for joint in (n for n, name in enumerate(creature.names) if "Fin" in name):
        out = 1.0 if skeleton.tails[joint, 0] >= 0 else -1.0
        turns[:, joint] = turns[:, skeleton.parents[joint]] @ about("y", -out * 0.3 * np.sin(wave + 0.5))
        moved.add(joint)
    carry(creature, turns, moved)
    forward = np.array([0.0, -1.0, 0.0])
    step = 0.6 * length * manner.speed
    path = phase[:, None] * step * forward
    contacts = np.zeros((frames, 4), np.uint8)
    return motion_of(creature, turns, path.copy(), path, contacts, fps, step * rounds * forward, root_mode)
