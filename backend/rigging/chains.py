# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons that are chains through the middle of a shape: snakes, spiders, fish, and props of any kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backend.rigging.animals import Template, bends
from backend.rigging.bones import Bones
from backend.rigging.intake import Intake
from backend.rigging.medial import Branch, Medial, at_fractions, resampled
from protocol.errors import BadRequest

SNAKE_BONES = 20
FISH_BONES = 6
LEG_BONES = 4
STRAIGHT = 0.06  # of a branch's length; bends less than this need no joint
MOST_BRANCHES = 12  # of a prop

Floats = NDArray[np.float64]


def snake(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """A long body without limbs: the head leads, and all bones are of one length."""
    nose, tail, doubts = _ends(medial, tips, markers)
    line = medial.branch(medial.nearest(nose), [medial.nearest(tail)]).points
    if "nose" not in markers and _thickness(medial, line[::-1]) > 1.15 * _thickness(medial, line):
        nose, tail, line = tail, nose, line[::-1]
    line = np.concatenate([nose[None], line[1:-1], tail[None]])
    points = resampled(line, SNAKE_BONES)
    bones = Bones()
    # The root lies behind the head, so that both the head and the body can be turned by themselves.
    root = bones.add("Hips", "", points[1], points[2])
    bones.add("Head", root, points[1], points[0])
    bones.chain([f"Spine{number}" if number else "Spine" for number in range(SNAKE_BONES - 2)], root, points[2:])
    return Template(bones.skeleton(), 0.8 if not doubts else 0.5, tuple(doubts))


def fish(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """A body along Y with fins: a spine from the head to the tail, a bone for each fin."""
    low, high = given.points.min(0), given.points.max(0)
    nose = np.asarray(markers.get("nose", given.points[given.points[:, 1].argmin()]), np.float64)
    back = given.points[given.points[:, 1] > high[1] - 0.06 * (high[1] - low[1])]
    tail = np.asarray(markers.get("tail_tip", [0.5 * (low[0] + high[0]), high[1], float(np.median(back[:, 2]))]))
    line = medial.branch(medial.nearest(nose), [medial.nearest(tail)]).points
    line = np.concatenate([nose[None], line[1:-1], tail[None]])
    points = resampled(line, FISH_BONES + 1)
    bones = Bones()
    root = bones.add("Hips", "", points[2], points[3])
    bones.chain(["Spine"], root, points[[2, 1]])
    bones.add("Head", "Spine", points[1], points[0])
    bones.chain([f"Tail{number}" if number else "Tail" for number in range(FISH_BONES - 2)], root, points[3:])
    number = 0
    for one in tips:
        away = np.linalg.norm(points - one.tip, axis=1)
        if min(np.linalg.norm(one.tip - nose), np.linalg.norm(one.tip - tail)) < 0.15 * np.ptp(given.points[:, 1]):
            continue
        near = int(away.argmin())
        parent = root if near == 2 else "Spine" if near < 2 else bones.names[min(near, FISH_BONES) - 3 + 3]
        start = at_fractions(one.points[::-1], [min(one.depth[-1] / max(one.length, 1e-6), 0.7)])[0]
        side = "" if abs(one.tip[0]) < 0.15 * (high[0] - low[0]) else "Left" if one.tip[0] > 0 else "Right"
        number += 1
        bones.add(f"{side}Fin{number}", parent, start, one.tip)
    return Template(bones.skeleton(), 0.7)


def spider(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """A body with many legs: those tips that reach the ground, or if these are few, all that lie at the sides."""
    low, high = given.points.min(0), given.points.max(0)
    extent = high - low
    ground = [one for one in tips if one.tip[2] < low[2] + 0.25 * extent[2] and abs(one.tip[0]) > 0.08 * extent[0]]
    legs = ground if len(ground) >= 6 else [one for one in tips if abs(one.tip[0]) > 0.15 * extent[0]]
    if len(legs) < 3:
        raise BadRequest(f"Only {len(legs)} legs were found.", path="creature",
                         hint="Choose another kind of creature, or `prop` for a skeleton that follows the shape.")
    core = medial.centres[medial.core()]
    rest = [one for one in tips if not any(one is leg for leg in legs)]
    roots = np.array([_root(one) for one in legs])
    middle = np.r_[0.5 * (low[0] + high[0]), roots[:, 1:].mean(0)]
    bones = Bones()
    ahead = markers.get("nose")
    behind = markers.get("tail_tip")
    if behind is None:
        back = [one.tip for one in rest if one.tip[1] > middle[1]]
        behind = max(back, key=lambda tip: tip[1]) if back else core + [0, 0.5 * np.linalg.norm(core - middle), 0]
    if ahead is None:
        front = medial.centres[np.abs(medial.centres[:, 0] - middle[0]) < 0.05 * extent[0]]
        front = front[np.linalg.norm(front - middle, axis=1) < np.linalg.norm(np.asarray(behind) - middle)]
        ahead = front[front[:, 1].argmin()] if len(front) else middle - [0, 0.1, 0]
    root = bones.add("Hips", "", middle, 0.5 * (middle + np.asarray(ahead)))
    bones.add("Head", root, 0.5 * (middle + np.asarray(ahead)), ahead)
    bones.add("Abdomen", root, middle, behind)
    doubts = []
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        own = sorted((one for one in legs if sign * (one.tip[0] - middle[0]) > 0), key=lambda one: one.tip[1])
        for number, one in enumerate(own, 1):
            start = _root(one)
            line = np.concatenate([one.points[: _inner(one)][::-1], one.tip[None]])
            line = np.concatenate([start[None], line[1:]])
            first, second = bends(line, 0.33, 0.66, hold=0.15)
            joints = at_fractions(line, [0.0, first, second, 0.5 * (second + 1), 1.0])
            bones.chain([f"{side}Leg{number}{part}" for part in "ABCD"], root, joints)
    left = sum(name.startswith("Left") for name in bones.names) // LEG_BONES
    right = sum(name.startswith("Right") for name in bones.names) // LEG_BONES
    if left != right:
        doubts.append(f"{left} legs were found on the left and {right} on the right.")
    return Template(bones.skeleton(), 0.85 if not doubts else 0.5, tuple(doubts))


def prop(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """A skeleton that follows the shape: one bone for a lump, else a chain for each branch, bent where it bends."""
    bones = Bones()
    core = medial.centres[medial.core()]
    low, high = given.points.min(0), given.points.max(0)
    if len(tips) < 2:
        axis = int(np.argmax(high - low))
        line = np.tile(0.5 * (low + high), (2, 1))
        line[:, axis] = low[axis], high[axis]
        bones.add("Root", "", *line)
        return Template(bones.skeleton(), 0.9)
    branches = tips[:MOST_BRANCHES]
    bones.add("Root", "", core, core + np.array([0.0, 0.0, max(float(medial.depth.max()), 0.02)]))
    ends: list[tuple[Floats, str]] = [(core, "Root")]
    for number, one in enumerate(branches, 1):
        inner = one.points[: _inner(one)][::-1]
        line = np.concatenate([inner, one.tip[None]]) if len(inner) > 1 else one.points[::-1]
        parts = _parts(line)
        joints = at_fractions(line, np.linspace(0.0, 1.0, parts + 1))
        near = min(ends, key=lambda end: float(np.linalg.norm(end[0] - one.points[-1])))
        name = "Branch" if len(branches) > 1 else "Chain"
        names = [f"{name}{number}" + (f"_{part}" if part else "") for part in range(parts)]
        bones.chain(names, near[1], joints)
        ends += [(joint, bone) for joint, bone in zip(joints[1:], names, strict=True)]
    return Template(bones.skeleton(), 0.7, () if len(tips) <= MOST_BRANCHES else (
        f"The shape has {len(tips)} branches; the longest {MOST_BRANCHES} got bones.",))


def _ends(medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> tuple[Floats, Floats, list[str]]:
    """The two places that are farthest apart along the body, the thicker end first unless marked."""
    start = medial.nearest(markers["nose"]) if "nose" in markers else int(np.argmax(_finite(
        medial.distance([medial.core()]))))
    far = _finite(medial.distance([start]))
    end = medial.nearest(markers["tail_tip"]) if "tail_tip" in markers else int(np.argmax(far))
    doubts = [f"The body has {len(tips)} ends; the two that are farthest apart were taken."] if len(tips) > 3 else []
    nose = np.asarray(markers.get("nose", medial.centres[start]), np.float64)
    tail = np.asarray(markers.get("tail_tip", medial.centres[end]), np.float64)
    return nose, tail, doubts


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, -1.0)


def _thickness(medial: Medial, line: Floats) -> float:
    """Mean depth of the first tenth of a line, its very end left out."""
    part = at_fractions(line, np.linspace(0.01, 0.1, 12))
    return float(medial.depth[medial.solid.at(part)].mean())


def _inner(one: Branch) -> int:
    """How many of a branch's points, from the tip, lie in the limb itself: until its flesh gets twice as thick."""
    limb = float(np.median(one.depth[: max(2 * len(one.depth) // 3, 1)]))
    thick = np.flatnonzero((one.depth > 2.2 * limb) & (np.arange(len(one.depth)) > len(one.depth) // 3))
    return int(thick[0]) + 1 if len(thick) else len(one.points)


def _root(one: Branch) -> Floats:
    return np.asarray(one.points[_inner(one) - 1])


def _parts(line: Floats) -> int:
    """Bones that follow a line: one where it is straight, more the more it bends."""
    way = line[-1] - line[0]
    length = float(np.linalg.norm(way))
    if length <= 0:
        return 1
    inner = line - line[0]
    off = np.linalg.norm(inner - (inner @ way / length**2)[:, None] * way, axis=1).max() / length
    return 2 if off < STRAIGHT else 3 if off < 3 * STRAIGHT else 5
