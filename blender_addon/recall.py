# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways back from the history: a job asked for once more, its result in a scene, its settings in the panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import bpy

from . import filemark, kinds, wire
from .apply.placement import IDENTITY, Place, selection
from .history import Record
from .jobs import Job
from .link import Link
from .seeds import SEED_LIMIT

PLAIN = {"STRING": (str,), "FLOAT": (int, float), "INT": (int,), "BOOLEAN": (bool,)}
"""What may go into a property of a type."""


def again(link: Link, job_id: str, seed: int | None = None) -> Job:
    """Ask for the same once more, at the same place; seed: another one. Raises UnknownJob, BadRequest."""
    record = _record(link, job_id)
    spec = wire.specs.spec_from_map(record.kind, record.spec)
    if seed is not None:
        spec = replace(spec, seed=seed)
    inputs = link.inputs_of(job_id)
    if spec.INPUTS and not inputs:  # taken anew from the object as it is now
        kind = kinds.find(record.kind)
        taken = kind.inputs(bpy.context, bpy.context.scene.maquette, record.target, spec, record.options)
        inputs = kinds.with_style(taken, record.options)
    place = _place(record, record.file == filemark.current())
    return link.submit(spec, place, inputs, record.target, record.options)


def bring(link: Link, job_id: str, place: Place | None = None) -> Job:
    """Bring a result of the history into the open file: from this machine's copy, else from the hub.

    place: where it was asked for by default. The job is DONE on return when a copy was at hand; else it is followed,
    and lands when it has come. Raises UnknownJob, or MaquetteError when there is no way to the hub.
    """
    record = _record(link, job_id)
    present = link.jobs.get(job_id)
    if present is not None and not present.over:
        present.file = filemark.current()
        return present
    spec = wire.specs.spec_from_map(record.kind, record.spec)
    job = Job(job_id, spec, place or _place(record), link._clock(), filemark.current(), record.target,
              options=record.options, selection=selection(bpy.context.view_layer))
    kept = link.results.load(job_id)
    if kept is None:
        link.fetch(job)
        return job
    link.jobs.forget(job_id)
    link.jobs.add(job)
    link.arrivals.result(job, wire.updates.Result(*kept))
    return job


def _record(link: Link, job_id: str) -> Record:
    record = link.history.get(job_id)
    if record is None:
        raise wire.errors.UnknownJob("The history has no such job any more.")
    return record


def _place(record: Record, same_file: bool = True) -> Place:
    """Where the job was to stand; in the scene that is open where its own is not at hand."""
    scene = record.scene if same_file and record.scene in bpy.data.scenes else bpy.context.scene.name
    return Place(scene, record.matrix or IDENTITY, record.collection)


def fill(properties: Any, kind: str, spec: Mapping[str, Any], seed: Any = None) -> None:
    """Set `scene.maquette` to what a job was asked for with; what the panel cannot hold stays as it is.

    kind, spec: as on the wire. seed: the one that the worker drew, where the spec names none.
    """
    switch = "text_to_3d" if kind == "variations" else kind
    if any(one.kind == switch for one in kinds.offered()):
        properties.kind = switch
    aliases = kinds.aliases(kind)
    properties.prompt_text = None
    values = {"count": 1, **spec, "object_name": spec.get("name", "")}
    seed = seed if isinstance(seed, int) else values.get("seed")
    for name in ("seed", "name", "kind", "rig"):  # a rig of the wire is not one of the panel
        values.pop(name, None)
    for name, value in values.items():
        name = aliases.get(name, name)
        known = properties.bl_rna.properties.get(name)
        if known is None or known.is_readonly:
            continue
        if known.type == "ENUM":
            value = str(value).upper() if str(value).upper() in known.enum_items else str(value)
            if value in known.enum_items:
                setattr(properties, name, value)
        elif type(value) in PLAIN.get(known.type, ()):
            setattr(properties, name, value)
    if isinstance(seed, int) and 0 <= seed <= SEED_LIMIT:
        properties.seed, properties.randomise = seed, False
