# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to work, as frozen numbers: `draft` (two CPU cores, minutes), `standard` (one GPU, minutes), `best` (one
GPU, without hurry) and `paper` (Magic3D's own schedule).

Every number names its source: [M3D] Magic3D (Lin et al., CVPR 2023), [TS] threestudio's magic3d configurations,
[DF] DreamFusion (Poole et al., 2022), [VSD] ProlificDreamer (Wang et al. 2023), [SyncMVD] Liu et al. 2023, [ours]
chosen here, by measurement with the embedded prior where the comment says so; a number without a mark is [ours] too.
Steps are optimiser steps (of painting: network evaluations), angles are degrees (people read this file), lengths are in
field units (the object's box is [-1, 1]^3).
A recipe reads these numbers and has none of its own. `stages` says what can be said, the modules named after the
presets say it; this page finds a preset by its name.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from backend.jobs.presets.best import BEST
from backend.jobs.presets.draft import DRAFT
from backend.jobs.presets.paper import PAPER
from backend.jobs.presets.stages import (
    AvatarSculpt,
    CameraRange,
    Coarse,
    Edit,
    Fine,
    Finish,
    Guidance,
    HashGridSize,
    LightRange,
    Paint,
    Preset,
    Ramp,
    Stroke,
)
from backend.jobs.presets.standard import STANDARD
from protocol.errors import BadRequest

__all__ = [
    "BEST", "DRAFT", "PAPER", "PRESETS", "STANDARD",
    "AvatarSculpt",
    "CameraRange",
    "Coarse",
    "Edit",
    "Fine",
    "Finish",
    "Guidance",
    "HashGridSize",
    "LightRange",
    "Paint",
    "Preset",
    "Ramp",
    "Stroke",
    "as_map",
    "find",
    "with_effort",
]

PRESETS = {preset.name: preset for preset in (DRAFT, STANDARD, BEST, PAPER)}


def find(name: str) -> Preset:
    """The preset of that name; raises `BadRequest` with the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise BadRequest(
            f"There is no preset called {name!r}.",
            hint="Set `preset` to one of: " + ", ".join(PRESETS) + ".",
            path="preset",
        ) from None


def with_effort(preset: Preset, effort: float) -> Preset:
    """The same preset with the steps of the optimising and painting stages multiplied by `effort` (2 at least)."""
    if effort == 1.0:
        return preset

    def steps(stage: Any) -> Any:
        return replace(stage, steps=max(2, round(stage.steps * effort)))

    paint = replace(preset.paint, broad=steps(preset.paint.broad), sharp=steps(preset.paint.sharp))
    # A mesh must be taken on whole, however quick the rest is; more steps would not make it truer.
    edit = replace(preset.edit, begin_steps=max(40, round(preset.edit.begin_steps * min(effort, 1.0))))
    return replace(preset, coarse=steps(preset.coarse), fine=steps(preset.fine), paint=paint,
                   avatar=steps(preset.avatar), edit=edit)


def as_map(value: Any) -> Any:
    """A preset as plain maps, for the report."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_map(getattr(value, field.name)) for field in fields(value)}
    return list(value) if isinstance(value, tuple) else value
