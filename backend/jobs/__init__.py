# SPDX-License-Identifier: GPL-3.0-or-later
"""One module a kind of job, each a short recipe made of the rooms of the backend.

`run` is the only thing that a worker calls. It gives the spec to the recipe of its kind and makes sure that whatever
goes wrong leaves as one of the product's own errors or as a bug with a traceback, never as a half result.
"""

from __future__ import annotations

from importlib import import_module

from backend.jobs.context import JobContext, TerminalContext
from backend.jobs.results import MeshResult
from protocol.errors import BadRequest
from protocol.specs import JobSpec, TextTo3DSpec

__all__ = ["RECIPES", "JobContext", "MeshResult", "TerminalContext", "run", "warm_up"]

# Kind of job -> module of this package and function; a worker for one kind of job need not import the others.
RECIPES = {
    "animate": ("animate", "animate"),
    "text_to_3d": ("text_to_3d", "text_to_3d"),
    "variations": ("variations", "variations"),
    "texture": ("texture", "texture"),
    "edit": ("edit", "edit"),
    "inpaint": ("inpaint", "inpaint"),
    "learn": ("learn", "learn"),
    "remove": ("remove", "remove"),
    "segment": ("segment", "segment"),
    "avatar": ("avatar", "avatar"),
    "rig": ("rig", "rig"),
}


def run(spec: JobSpec, context: JobContext) -> MeshResult:
    """Does the job. Raises `protocol.errors.MaquetteError` for whatever a user can do something about."""
    if spec.kind not in RECIPES:
        raise BadRequest(f"This backend has no recipe for jobs of the kind {spec.kind}.", path="kind")
    module, function = RECIPES[spec.kind]
    recipe = getattr(import_module(f"backend.jobs.{module}"), function)
    result: MeshResult = recipe(spec, context)
    return result


def most_ranks(spec: JobSpec) -> int:
    """Over how many devices a job can be split."""
    if isinstance(spec, TextTo3DSpec):
        from backend.jobs import presets

        preset = presets.find(spec.preset)
        return min(preset.coarse.views, preset.fine.views)
    return 1


def warm_up(context: JobContext) -> None:
    """Loads what every job needs (imports, compiled kernels, the embedded prior), so that the first is not slower."""
    from backend.jobs.text_to_3d import warm_up as warm_up_text_to_3d

    warm_up_text_to_3d(context)
