# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons for quadrupeds and birds: a few landmarks found in the shape or marked by the artist, bones between them.

Head, tail, feet and wing tips are tips of the medial tree; the spine is the thick way between head and tail; joints of
legs and wings are where their middle line bends, drawn to where such animals have them. All in the working frame, the
animal facing -Y.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.rigging.bones import Bones
from backend.rigging.intake import Intake
from backend.rigging.medial import Branch, Medial, at_fractions, resampled, smoothed
from protocol.errors import BadRequest
from protocol.skeleton import Skeleton

Floats = NDArray[np.float64]

FRONT_LEG = (0.0, 0.46, 0.85, 0.95, 1.0)  # shoulder, elbow, wrist, ball, tip, along the leg from its top
HIND_LEG = (0.0, 0.33, 0.64, 0.90, 1.0)  # hip, knee, hock, ball, tip; means of the fox's rig and a horse's bones
ASIDE = 0.22  # of a leg's height; how far a hip may lie before or behind the thigh
LEG_TOP = (0.84, 0.95)  # of the torso's middle's height: shoulder and hip joints


@dataclass(frozen=True, eq=False)
class Template:
    """skeleton in the working frame; confidence 0..1; notes for the user."""

    skeleton: Skeleton
    confidence: float
    notes: tuple[str, ...] = ()


def quadruped(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """An animal on four legs. Raises BadRequest where head, tail or feet are not to be found."""
    found, doubts = quadruped_landmarks(given, tips, markers)
    way = medial.path(medial.nearest(found["nose"]), [medial.nearest(found["tail_tip"])])
    spine = smoothed(medial.centres[way])
    legs = {name: medial.branch(medial.nearest(found[f"{name}_foot"]), way).points
            for name in ("left_front", "right_front", "left_hind", "right_hind")}
    tall = float(np.ptp(given.points[:, 2]))
    floor = float(given.points[:, 2].min())
    front, hind = ([_where_leg_rises(legs[f"{side}_{end}"], floor, tall) for side in ("left", "right")]
                   for end in ("front", "hind"))
    at_front, at_hind = (float(np.mean([one[1] for one in pair])) for pair in (front, hind))
    chest, hips = _on_spine(spine, at_front), _on_spine(spine, at_hind)
    bones = Bones()
    mid = _between(spine, hips[1], chest[1])  # from the hips to the chest
    radius = float(medial.depth[medial.nearest(hips)])
    root = bones.add("Hips", "", hips, at_fractions(mid, [0.25])[0])
    last = bones.chain(["Spine", "Spine1", "Spine2"], root, at_fractions(mid, [0.25, 0.5, 0.75, 1.0]))
    ahead = _between(spine, chest[1], -np.inf)
    poll = _poll(ahead)
    neck = bones.chain(["Neck", "Neck1"], last, at_fractions(ahead, [0.5 * poll * 0.3, 0.6 * poll, poll]))
    bones.add("Head", neck, at_fractions(ahead, [poll])[0], found["nose"])
    behind = _between(spine, hips[1], np.inf)
    length = float(np.linalg.norm(np.diff(behind, axis=0), axis=1).sum())
    if length > 1.5 * radius:
        tail = at_fractions(behind, np.linspace(min(0.9 * radius / length, 0.5), 1.0, 5))
        tail[-1] = found["tail_tip"]
        bones.chain(["Tail", "Tail1", "Tail2", "Tail3"], root, tail)
    for side in ("left", "right"):
        Side = side.capitalize()
        for end, parent, shares, top, names in (
            ("front", last, FRONT_LEG, LEG_TOP[0] * (chest[2] - floor) + floor, ("UpLeg", "Leg", "Foot", "Toe")),
            ("hind", root, HIND_LEG, LEG_TOP[1] * (hips[2] - floor) + floor, ("UpLeg", "Leg", "Foot", "Toe")),
        ):
            joints = leg(legs[f"{side}_{end}"], found[f"{side}_{end}_foot"], top, shares)
            kind = f"{Side}{end.capitalize()}"
            if end == "front":
                blade = np.array([0.6 * joints[0, 0], chest[1] + 0.3 * (hips[1] - chest[1]), chest[2] + 0.3 * radius])
                parent = bones.add(f"{kind}Shoulder", last, blade, joints[0])
            bones.chain([kind + name for name in names], parent, joints)
    confidence = 0.85 if not doubts else 0.4
    return Template(bones.skeleton(), max(confidence, 0.9 if len(markers) >= 6 else 0.0), tuple(doubts))


def quadruped_landmarks(given: Intake, tips: list[Branch], markers: Mapping[str, Floats]
                        ) -> tuple[dict[str, Floats], list[str]]:
    """(nose, tail_tip and four feet, doubts in words); markers win. Raises BadRequest for what is not there."""
    found = {name: np.asarray(place, np.float64) for name, place in markers.items()}
    low, high = given.points.min(0), given.points.max(0)
    ground = [one.tip for one in tips if one.tip[2] < low[2] + 0.2 * (high[2] - low[2])]
    others = [one for one in tips if one.tip[2] >= low[2] + 0.2 * (high[2] - low[2])]
    doubts: list[str] = []
    feet = ("left_front_foot", "right_front_foot", "left_hind_foot", "right_hind_foot")
    if not all(name in found for name in feet):
        if len(ground) < 4:
            raise BadRequest(
                f"Only {len(ground)} feet of a four-legged animal were found.", path="inputs.markers",
                hint="Mark the four feet, the nose and the tip of the tail, or choose another kind of creature.")
        if len(ground) > 4:
            doubts.append(f"{len(ground)} tips touch the ground; the outermost four were taken for feet.")
        middle = np.median([tip[1] for tip in ground])
        for end, sign in (("front", -1), ("hind", 1)):
            pool = [tip for tip in ground if sign * (tip[1] - middle) >= 0] or ground
            found.setdefault(f"left_{end}_foot", max(pool, key=lambda tip: tip[0]))
            found.setdefault(f"right_{end}_foot", min(pool, key=lambda tip: tip[0]))
    if "nose" not in found:
        ahead = [one.tip for one in others if one.tip[1] < found["left_front_foot"][1] + 0.1]
        if not ahead:
            doubts.append("No head was found; the foremost point was taken for the nose.")
        found["nose"] = min(ahead, key=lambda tip: tip[1]) if ahead else given.points[given.points[:, 1].argmin()]
    if "tail_tip" not in found:
        behind = [one.tip for one in others if one.tip[1] > found["left_hind_foot"][1] - 0.1]
        found["tail_tip"] = max(behind, key=lambda tip: tip[1]) if behind else given.points[given.points[:, 1].argmax()]
    return found, doubts


def leg(path: Floats, foot: Floats, top: float, shares: tuple[float, ...]) -> Floats:
    """(5, 3) joints of a leg whose middle line runs from the foot up into the torso; it starts at height `top`."""
    height = path[:, 2]
    above = np.flatnonzero(height >= top)
    line = path[: above[0] + 1] if len(above) and above[0] > 3 else path
    # Inside the torso the line runs to the middle of the body; a hip stays above its leg.
    rise = (line[:, 2] - line[0, 2]) / max(top - line[0, 2], 1e-6)
    shin = line[(rise > 0.2) & (rise < 0.55)]
    if len(shin):
        line = line.copy()
        beside = 0.85 * float(np.median(shin[:, 0]))
        line[:, 0] = np.where(rise > 0.6, np.sign(beside) * np.maximum(np.abs(line[:, 0]), abs(beside)), line[:, 0])
        thigh = line[(rise > 0.45) & (rise < 0.7), 1]
        if len(thigh):
            room = ASIDE * (top - line[0, 2])
            line[:, 1] = np.clip(line[:, 1], float(thigh.mean()) - room, float(thigh.mean()) + room)
    line = line[::-1]  # from the top down
    line = np.concatenate([line, foot[None]]) if np.linalg.norm(line[-1] - foot) > 1e-6 else line
    first, second = bends(line, shares[1], shares[2])
    return at_fractions(line, [0.0, first, second, max(shares[3], 0.5 * (second + 1.0)), 1.0])


def bends(line: Floats, one: float, two: float, hold: float = 0.6) -> tuple[float, float]:
    """Fractions of a line at which two joints explain its bends best; `hold` draws them to the fractions given."""
    count = 40
    points = resampled(line, count)
    length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    best, chosen = np.inf, (one, two)
    for i in range(5, count - 8):
        for j in range(i + 5, count - 2):
            off = 0.0
            for a, b in ((0, i), (i, j), (j, count)):
                way = points[b] - points[a]
                inner = points[a : b + 1] - points[a]
                along = np.clip(inner @ way / max(way @ way, 1e-12), 0, 1)
                off += float(((inner - along[:, None] * way) ** 2).sum())
            cost = off / (count * (0.05 * length) ** 2) + hold * (
                ((i / count - one) / 0.1) ** 2 + ((j / count - two) / 0.1) ** 2) * 0.1
            if cost < best:
                best, chosen = cost, (i / count, j / count)
    return chosen


def bird(given: Intake, medial: Medial, tips: list[Branch], markers: Mapping[str, Floats]) -> Template:
    """A bird, wings spread or folded, standing or in flight. Raises BadRequest where it has no shape of one."""
    low, high = given.points.min(0), given.points.max(0)
    extent = high - low
    found = {name: np.asarray(place, np.float64) for name, place in markers.items()}
    doubts: list[str] = []
    feet = [one.tip for one in tips if one.tip[2] < low[2] + 0.15 * extent[2]]
    wide = sorted((one.tip for one in tips if abs(one.tip[0]) > 0.3 * extent[0]), key=lambda tip: tip[0])
    spread = extent[0] > 0.8 * extent[1]
    if spread and len(wide) >= 2:
        found.setdefault("right_wing_tip", wide[0])
        found.setdefault("left_wing_tip", wide[-1])
    rest = [one.tip for one in tips if abs(one.tip[0]) < 0.2 * extent[0] or not spread]
    rest = [tip for tip in rest if not any(tip is foot for foot in feet)] or [given.points[given.points[:, 1].argmin()]]
    found.setdefault("nose", min(rest, key=lambda tip: tip[1] - 0.7 * tip[2]))
    found.setdefault("tail_tip", max((*rest, given.points[given.points[:, 1].argmax()]), key=lambda tip: tip[1]))
    spine = medial.branch(medial.nearest(found["nose"]), [medial.nearest(found["tail_tip"])]).points
    core = medial.centres[medial.core()]
    at = float(np.argmin(np.linalg.norm(spine - core, axis=1)) / max(len(spine) - 1, 1))
    at = float(np.clip(at, 0.35, 0.75))
    bones = Bones()
    hips, chest = at_fractions(spine, [min(at + 0.1, 0.85)])[0], at_fractions(spine, [at - 0.1])[0]
    root = bones.add("Hips", "", hips, at_fractions(spine, [at])[0])
    body = bones.add("Spine", root, at_fractions(spine, [at])[0], chest)
    neck = bones.chain(["Neck", "Neck1"], body, at_fractions(spine, [at - 0.1, 0.5 * (at - 0.1) + 0.06, 0.12]))
    bones.add("Head", neck, at_fractions(spine, [0.12])[0], found["nose"])
    bones.chain(["Tail", "Tail1"], root, at_fractions(spine, [min(at + 0.2, 0.9), 0.5 * (min(at + 0.2, 0.9) + 1), 1.0]))
    width = float(medial.depth[medial.core()])
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        shoulder = chest + np.array([sign * 0.8 * width, 0.0, 0.3 * width])
        tip = found.get(f"{side.lower()}_wing_tip")
        if tip is not None:
            line = medial.branch(medial.nearest(tip), [medial.nearest(shoulder)]).points[::-1]
            joints = at_fractions(np.concatenate([shoulder[None], line, tip[None]]), [0.0, 0.3, 0.62, 1.0])
        else:
            back = np.array([sign * 0.9 * width, 1.6 * width, 0.0])
            joints = chest + np.array([[sign * 0.8 * width, 0, 0.3 * width], [sign * width, 0.9 * width, 0],
                                       [sign * width, 0.3 * width, -0.3 * width], back])
        bones.chain([f"{side}Wing", f"{side}ForeWing", f"{side}HandWing"], body, joints)
        foot = found.get(f"{side.lower()}_foot")
        own = [tip for tip in feet if sign * tip[0] > 0]
        if foot is None and own:
            foot = min(own, key=lambda tip: abs(tip[0]))
        if foot is not None:
            line = medial.branch(medial.nearest(foot), [medial.core()]).points
            joints = leg(line, foot, float(hips[2] - 0.3 * width), HIND_LEG)
            bones.chain([f"{side}UpLeg", f"{side}Leg", f"{side}Foot", f"{side}Toe"], root, joints)
    if "left_wing_tip" not in found:
        doubts.append("The wings are folded or were not found; their bones lie along the body. Mark the wing tips.")
    if not feet and "left_foot" not in found:
        doubts.append("No feet were found, so the legs have no bones.")
    return Template(bones.skeleton(), 0.8 if not doubts else 0.45, tuple(doubts))


def _where_leg_rises(path: Floats, floor: float, tall: float) -> Floats:
    """A place on the leg at 30 to 45 % of the animal's height: above the foot's reach, below the torso."""
    height = (path[:, 2] - floor) / tall
    middle = path[(height > 0.3) & (height < 0.45)]
    return np.asarray(middle.mean(0) if len(middle) else path[len(path) // 2])


def _on_spine(spine: Floats, y: float) -> Floats:
    """The place of the spine at `y`, in the middle between left and right where it nearly is there."""
    return np.asarray(spine[np.argmin(np.abs(spine[:, 1] - y))])


def _between(spine: Floats, start: float, end: float) -> Floats:
    """The part of the spine (which runs from the head, at low y, to the tail) from y = start to y = end."""
    first = int(np.argmin(np.abs(spine[:, 1] - start)))
    last = int(np.argmin(np.abs(spine[:, 1] - end))) if np.isfinite(end) else (0 if end < 0 else len(spine) - 1)
    return spine[first : last + 1] if last >= first else spine[last : first + 1][::-1]


def _poll(ahead: Floats) -> float:
    """The fraction of the way from the chest to the nose at which the head begins: where it turns down, if it does."""
    points = resampled(ahead, 40)
    part = slice(14, 29)
    top = int(np.argmax(points[part, 2])) + 14
    return float(np.clip(top / 40.0, 0.45, 0.68))
