# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh gets a skeleton and the weights that tie it to it: read it, find its kind and its joints, bind, deliver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.health import check as health_of
from backend.jobs.context import JobContext
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.rigging import animals, chains, creatures
from backend.rigging.bind import bind
from backend.rigging.humanoid import humanoid
from backend.rigging.intake import Intake, take_in
from backend.rigging.picture import portrait
from protocol.errors import BadRequest
from protocol.skeleton import SKELETON_ARRAYS, Skeleton, read_names
from protocol.specs.rig import MARKERS, RigSpec

STEPS = 320  # of the body's fit (reference avatars-and-motion, section 6.5)
PLAN = {"read the mesh": 0.5, "find the joints": 5.0, "bind": 4.0, "deliver": 0.5}
TEMPLATES = {
    "quadruped": animals.quadruped, "bird": animals.bird, "snake": chains.snake, "spider": chains.spider,
    "fish": chains.fish, "prop": chains.prop,
}
TRUSTED = 0.6  # confidence from which nobody is asked to look

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Joints:
    """skeleton: in the mesh's frame. creature; confidence 0..1; needs_markers; facts: for the report."""

    skeleton: Skeleton
    creature: str
    confidence: float
    needs_markers: bool
    facts: dict[str, Any]


def rig(spec: RigSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes.

    The result's arrays: those of a skeleton and of weights (`protocol.skeleton`), and thumbnail, a PNG file. The
    report says `creature`, `confidence`, `needs_markers` with the names of `markers`, and `naming`.
    """
    watch = Stopwatch(context, PLAN)
    notes = Notes(context)
    with watch.stage("read the mesh", "looking at the mesh") as tell:
        vertices, faces = np.asarray(context.inputs["vertices"]), np.asarray(context.inputs["faces"])
        given = take_in(vertices, faces, "-y" if spec.front == "auto" else spec.front)
        health = health_of(vertices, faces)
        context.check()
    with watch.stage("find the joints", "finding the joints") as tell:
        if any(name in context.inputs for name in SKELETON_ARRAYS):
            skeleton = Skeleton.from_arrays(context.inputs)
            found = Joints(skeleton, spec.creature, 1.0, False, {"joints": "given"})
        else:
            found = joints_of(spec, given, markers_of(spec, context.inputs, given), context.check, tell)
    for note in (*given.notes, *found.facts.pop("notes", ())):
        notes.add(note)
    with watch.stage("bind", "tying the mesh to its bones"):
        bound = bind(vertices, faces, found.skeleton, spec.detail, context.check)
    with watch.stage("deliver", "taking its picture"):
        thumbnail = portrait(vertices, faces, found.skeleton, bound.weights)
        arrays = {**found.skeleton.arrays(), **bound.weights.arrays(), "thumbnail": png(thumbnail)}
    report = {
        "creature": found.creature,
        "confidence": round(found.confidence, 3),
        "needs_markers": found.needs_markers,
        "markers": list(MARKERS.get(found.creature, ())),
        "naming": spec.naming,
        "joints": len(found.skeleton),
        "settings": spec.to_map(),
        "found": found.facts,
        "skin": bound.facts,
        "mesh": health.to_map(),
        "versions": versions(),
        "device": "cpu",
        "stages": [record.to_map() for record in watch.records],
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def joints_of(spec: RigSpec, given: Intake, markers: Mapping[str, Floats], check: Callable[[], None],
              tell: Callable[[float, str], None]) -> Joints:
    """The skeleton of a mesh in its working frame. Raises BadRequest with advice where it cannot have one."""
    medial, tips = creatures.tips_of(given)
    check()
    creature, sure = (spec.creature, True) if spec.creature != "auto" else creatures.classify(given, tips)
    if spec.creature == "auto" and markers:
        creature = next(kind for kind, names in MARKERS.items() if set(markers) <= set(names))
    notes = [] if sure else [f"The mesh was taken for a {creature}. If it is none, choose its kind and rig again."]
    if creature == "humanoid":
        upright(given)
        found = humanoid(given, max(int(STEPS * spec.effort), 24), spec.front != "auto", spec.fingers, check,
                         lambda done: tell(done, "fitting a body"), markers)
        frame = given.turned(found.quarters).frame
        facts = {"residual": round(found.residual, 5), "missing": list(found.missing), "sure_of_kind": sure,
                 "notes": [*notes, *found.notes]}
        return Joints(frame.outward(found.skeleton), creature, found.confidence if sure else 0.8 * found.confidence,
                      found.needs_markers, facts)
    quarters = creatures.facing(given, medial, tips, creature) if spec.front == "auto" and not markers else 0
    if quarters:
        given = given.turned(quarters)
        medial, tips = creatures.tips_of(given)
    check()
    made = TEMPLATES[creature](given, medial, tips, markers)
    confidence = made.confidence if sure else 0.7 * made.confidence
    facts = {"sure_of_kind": sure, "tips": len(tips), "notes": [*notes, *made.notes]}
    return Joints(given.frame.outward(made.skeleton), creature, confidence,
                  confidence < TRUSTED and bool(MARKERS[creature]) and not markers, facts)


def markers_of(spec: RigSpec, inputs: Mapping[str, NDArray[Any]], given: Intake) -> dict[str, Floats]:
    """Markers by name, in the working frame. Raises BadRequest for names or places that make no sense."""
    if "markers" not in inputs and "marker_names" not in inputs:
        return {}
    if "markers" not in inputs or "marker_names" not in inputs:
        raise BadRequest("Markers need both their places and their names.", path="inputs.markers",
                         hint="Send markers and marker_names, or neither.")
    names = read_names(inputs["marker_names"], "marker_names")
    places = np.asarray(inputs["markers"], np.float64)
    kinds = MARKERS if spec.creature == "auto" else {spec.creature: MARKERS[spec.creature]}
    if not any(set(names) <= set(known) for known in kinds.values()):
        known = ", ".join(next(iter(kinds.values()))) if len(kinds) == 1 else "those of one kind of creature"
        raise BadRequest(f"The markers {', '.join(names)[:200]} are not known here, only {known or 'none'}.",
                         path="inputs.marker_names")
    if len(names) != len(places) or len(set(names)) < len(names):
        raise BadRequest(f"There are {len(places)} markers and {len(names)} names, each once.",
                         path="inputs.marker_names")
    if not np.isfinite(places).all():
        raise BadRequest("Some markers are not finite.", path="inputs.markers")
    inward = given.frame.inward(places)
    low, high = given.points.min(0), given.points.max(0)
    away = np.linalg.norm(np.maximum(np.maximum(low - inward, inward - high), 0), axis=1)
    if away.max() > 0.25:
        raise BadRequest(f"The marker {names[int(away.argmax())]} lies far outside the mesh.", path="inputs.markers",
                         hint="Drag it to its place on the mesh.")
    return dict(zip(names, inward, strict=True))


def upright(given: Intake) -> None:
    """Refuses a humanoid that lies down: its longest side along the floor, its height less than a third of it."""
    extent = np.ptp(given.points, axis=0)
    if extent[2] < 0.34 * extent[:2].max():
        raise BadRequest("The figure lies down, or it is no human figure.", path="inputs.vertices",
                         hint="Rotate it so that Z is up, or choose another kind of creature.")
