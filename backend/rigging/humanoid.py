# SPDX-License-Identifier: GPL-3.0-or-later
"""A skeleton for a humanoid of which nothing is known: the body is fitted, and how far it can be trusted is said.

The mean distance that is left separates fits that hit from those that miss (reference avatars-and-motion, section 6.5),
so that an artist is asked for markers only then. Limbs that the mesh does not have lose their bones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.rigging.fit import STARTS, Fit, Surface, fit
from backend.rigging.intake import Intake
from protocol.errors import BadRequest
from protocol.skeleton import Skeleton
from protocol.specs.rig import MARKERS

SURE = 0.012  # of the height: mean distance of the body's skin from the surface; .0076 with a tail, .020 with huge hair
LOST = 0.02  # the confidence is 0 from here on
GONE = 0.28  # of a limb's skin without a surface near it: the limb is not there (0.34 and more; where it is, 0.03)
SHAKY = 0.12  # of a limb's skin; the fit of this limb is in doubt
EXTRA = 0.012  # of the surface far from the body: hair, a tail, wings, a cloak, which the user is told
MOST_EXTRA = 0.45  # of the surface; with more the body is no more than a part of what is there
INSIDE = tuple(side + bone for side in ("Left", "Right") for bone in ("Arm", "ForeArm", "UpLeg", "Leg")) + ("Spine1",)
OUT = 0.3  # of a bone that may be seen outside the mesh

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Found:
    """skeleton: in the working frame. confidence: 0..1; needs_markers: it should not be trusted without. residual: of
    the height. quarters: turns that brought the front to -Y. missing: limbs that are not there. notes, facts: for the
    report."""

    skeleton: Skeleton
    confidence: float
    needs_markers: bool
    residual: float
    quarters: int
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def humanoid(given: Intake, steps: int, facing_known: bool, fingers: bool = True,
             check: Callable[[], None] = lambda: None, tell: Callable[[float], None] = lambda done: None,
             markers: Mapping[str, Floats] | None = None) -> Found:
    """The skeleton of a mesh that is taken for a human figure standing upright.

    steps: of the fit; 320 is the measured recipe. facing_known: whether it looks to -Y for sure. markers: by name, in
    the working frame; all eight, or none. Raises BadRequest for some of them only.
    """
    known = dict(markers or {})
    missing = [name for name in MARKERS["humanoid"] if name not in known]
    if known and missing:
        raise BadRequest(f"A humanoid is fitted to all eight markers; {', '.join(missing)} are missing.",
                         path="inputs.marker_names", hint="Place them, or send none.")
    quarters = 0 if facing_known else facing(given, known)
    turned = given.turned(quarters)
    if known:
        names = list(known)
        moved = np.array([known[name] for name in names]) @ (turned.frame.turn @ given.frame.turn.T).T
        known = dict(zip(names, moved, strict=True))
    best = fit(Surface(turned.points, turned.normals), steps, check, tell, known)
    if not facing_known and not known:
        # The feet may have said the wrong thing; the body's own shape, face and calves, is asked as well.
        other = fit(Surface(*_flipped(turned)), steps // 2, check)
        if other.residual < 0.93 * best.residual:
            quarters = (quarters + 2) % 4
            turned = given.turned(quarters)
            best = fit(Surface(turned.points, turned.normals), steps, check, tell, known)
    gone, stray = _failures(best, turned)
    if stray and not known:  # a limb may have gone astray from this start only
        others = tuple(angle for angle in STARTS if angle != best.start)
        second = fit(Surface(turned.points, turned.normals), steps, check, tell, angles=others)
        if len(_failures(second, turned)[1]) < len(stray):
            best = second
            gone, stray = _failures(best, turned)
    skeleton = _without(best.skeleton, gone)
    if not fingers:
        skeleton = _keep(skeleton, [not any(part in name for part in ("Thumb", "Index", "Middle", "Ring", "Pinky"))
                                    for name in skeleton.names])
    doubt = (best.covered > SURE or best.uncovered > MOST_EXTRA or bool(stray)) and not known
    notes = _notes(best, gone, stray, doubt)
    error = max((_off(best.skeleton, name, place) for name, place in known.items()), default=0.0)
    if error > 0.05:
        notes.append(f"The body could not follow the markers better than {error:.0%} of the height.")
    confidence = float(np.clip((LOST - best.covered) / (LOST - 0.008), 0.0, 1.0)) * 0.8 ** len(stray)
    confidence *= float(np.clip(1.1 - best.uncovered, 0.2, 1.0))
    if known:
        confidence = max(confidence, float(np.clip(1.0 - 8.0 * error, 0.0, 1.0)))
    return Found(skeleton, confidence, doubt, best.residual, quarters, gone, tuple(notes))


def facing(given: Intake, markers: Mapping[str, Floats]) -> int:
    """Quarter turns that bring its front to -Y: by left and right markers, else arms across and toes ahead."""
    if markers:
        across = sum(np.asarray(markers[f"left_{name}"]) - markers[f"right_{name}"]
                     for name in ("elbow", "wrist", "knee"))
        return int(np.argmax([(across @ _turn(quarters).T)[0] for quarters in range(4)]))
    points = given.points
    extent = np.ptp(points, axis=0)
    sideways = 1 if extent[1] > 1.1 * extent[0] else 0  # the arms lie along Y
    turned = points @ _turn(sideways).T
    height = (turned[:, 2] - turned[:, 2].min()) / extent[2]
    foot, shin = turned[height < 0.05], turned[(height > 0.1) & (height < 0.2)]
    if len(foot) < 8 or len(shin) < 8:
        return sideways
    ahead = np.percentile(shin[:, 1], 5) - np.percentile(foot[:, 1], 3)
    behind = np.percentile(foot[:, 1], 97) - np.percentile(shin[:, 1], 95)
    return sideways if ahead >= behind else sideways + 2


def _turn(quarters: int) -> Floats:
    c, s = [(1, 0), (0, -1), (-1, 0), (0, 1)][quarters % 4]
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _flipped(given: Intake) -> tuple[Floats, Floats]:
    turn = np.diag([-1.0, -1.0, 1.0])
    return given.points @ turn, given.normals @ turn


def _failures(found: Fit, given: Intake) -> tuple[tuple[str, ...], list[str]]:
    """(first bones of limbs that are not there, bones that lie partly outside the mesh or whose skin is not met)."""
    fits = found.covered <= SURE  # where nothing fits, no limb can be said to be missing
    gone = tuple(first for first, share in found.misses.items() if share > GONE and fits)
    stray = [bone for bone in INSIDE if not _under(found.skeleton, bone, gone)
             and (_outside(found, given, bone) > OUT or found.misses.get(bone, 0.0) > SHAKY)]
    return gone, stray


def _inside(given: Intake, points: Floats) -> NDArray[np.bool_]:
    """(N,): which points lie in the solid."""
    cell = np.floor((points - given.solid.corner) / given.solid.size).astype(int)
    limit = np.array(given.solid.mask.shape)
    valid = ((cell >= 0) & (cell < limit)).all(1)
    inside = np.zeros(len(points), bool)
    inside[valid] = given.solid.mask[tuple(cell[valid].T)]
    return inside


def _along(skeleton: Skeleton, bone: str) -> Floats:
    joint = skeleton.index(bone)
    return np.asarray(skeleton.heads[joint] + np.linspace(0.1, 0.9, 17)[:, None]
                      * (skeleton.tails[joint] - skeleton.heads[joint]), np.float64)


def _outside(found: Fit, given: Intake, bone: str) -> float:
    """The share of a bone that lies outside the mesh, and more than a voxel away from it."""
    points = _along(found.skeleton, bone)
    away = cKDTree(given.points).query(points)[0]
    return float((~_inside(given, points) & (away > 1.5 * given.solid.size)).mean())


def _under(skeleton: Skeleton, bone: str, tops: tuple[str, ...]) -> bool:
    """Whether a bone is one of these or hangs on one."""
    joint = skeleton.index(bone)
    while joint >= 0:
        if skeleton.names[joint] in tops:
            return True
        joint = int(skeleton.parents[joint])
    return False


def _off(skeleton: Skeleton, marker: str, place: Floats) -> float:
    names = {"elbow": "ForeArm", "wrist": "Hand", "knee": "Leg"}
    if marker in ("chin", "groin"):
        return 0.0
    side, joint = marker.split("_")
    head = skeleton.heads[skeleton.index(side.capitalize() + names[joint])]
    return float(np.linalg.norm(head - place) / 1.7)


def _notes(found: Fit, gone: tuple[str, ...], stray: list[str], doubt: bool) -> list[str]:
    notes = []
    for first in gone:
        limb = "arm" if "Arm" in first else "leg"
        side = "left" if first.startswith("Left") else "right"
        notes.append(f"The lower {side} {limb} was not found, so it gets no bones.")
    if stray:
        notes.append(f"Bones may lie wrong: {', '.join(stray)}.")
    if found.uncovered > EXTRA:
        notes.append(f"{found.uncovered:.0%} of the surface is no part of a human body (hair, a tail, wings, a cloak?) "
                     "and follows the nearest bones.")
    if doubt:
        notes.append(f"The body may fit badly (it is {found.covered:.1%} of the height away on average, {SURE:.1%} is "
                     "good): check the joints, or place the eight markers and rig again.")
    return notes


def _without(skeleton: Skeleton, first: tuple[str, ...]) -> Skeleton:
    """Without these joints and all that hang on them."""
    keep = np.ones(len(skeleton), bool)
    for joint, parent in enumerate(skeleton.parents):
        keep[joint] = skeleton.names[joint] not in first and (parent < 0 or keep[parent])
    return _keep(skeleton, keep)


def _keep(skeleton: Skeleton, keep: NDArray[np.bool_] | list[bool]) -> Skeleton:
    kept = np.flatnonzero(keep)
    number = np.full(len(skeleton), -1)
    number[kept] = np.arange(len(kept))
    parents = skeleton.parents[kept]
    return replace(skeleton, heads=skeleton.heads[kept], tails=skeleton.tails[kept], rotations=skeleton.rotations[kept],
                   parents=np.where(parents < 0, -1, number[parents]).astype(np.int16),
                   names=tuple(skeleton.names[joint] for joint in kept))
