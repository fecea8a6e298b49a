# SPDX-License-Identifier: GPL-3.0-or-later
"""What is selected of a texture, or of a picture, is removed, filled by words, or left alone in a new world.

One recipe for the three verbs: read the selection as exact texels, make a texture anew, take from it what was asked
for and nothing else.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.bake import seam_error
from backend.jobs import memory, presets
from backend.jobs.context import JobContext
from backend.jobs.finish import Asset, portrait
from backend.jobs.guide import Voice
from backend.jobs.inpaint_engines import continued, distilled, painted
from backend.jobs.inpaint_input import read_inpaint
from backend.jobs.inpaint_picture import inpaint_picture
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews, png
from backend.jobs.prompt import Notes, read_prompt
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.render.raster import choose_rasteriser
from protocol.specs import InpaintSpec


def inpaint(spec: InpaintSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes.

    The result's arrays: base_colour (of a mesh) or picture, and thumbnail, PNG files. Texels and pixels outside the
    selection have the bits of what went in.
    """
    preset = presets.with_effort(presets.find(spec.preset), spec.effort)
    seed = spec.seed if spec.seed is not None else secrets.randbelow(2**31)
    watch = Stopwatch(context, _plan(spec, preset))
    notes = Notes(context)
    previews = Previews(context, preset.preview_every, 1.0)
    if "picture" in context.inputs:
        arrays, facts, voices = inpaint_picture(spec, preset, seed, context, watch, notes, previews)
    else:
        arrays, facts, voices = _inpaint_mesh(spec, preset, seed, context, watch, notes, previews)
    report = {
        "verb": spec.verb,
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": preset.name,
        "effort": spec.effort,
        "engine": engine_of(spec),
        "rig": spec.rig,
        "strength": spec.strength,
        "grow": spec.grow,
        "feather": spec.feather,
        "prior": _of_both(voices, lambda voice: voice.prior.traits.name),
        "prior_revision": _of_both(voices, lambda voice: voice.prior.traits.revision),
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        **facts,
        "nearest_known": notes.nearest_known,
        "memory": notes.memory,
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def engine_of(spec: InpaintSpec) -> str:
    """Which of the ways is taken."""
    if spec.engine != "auto":
        return spec.engine
    return "views" if spec.words else "classical"


def composed(
    old: NDArray[np.uint8], made: NDArray[np.uint8], fresh: NDArray[np.float32], opacity: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """(H, W, 3 or 4): what is made where `fresh` (H, W) is above 0, by its share, and the old bits elsewhere."""
    result = old.copy()
    inside = fresh > 0
    share = fresh[inside][:, None]
    result[inside] = np.rint(made[inside] * share + old[inside] * (1 - share)).astype(np.uint8)
    return result if opacity is None else np.concatenate([result, opacity[..., None]], -1)


def _inpaint_mesh(
    spec: InpaintSpec, preset: Preset, seed: int, context: JobContext, watch: Stopwatch, notes: Notes,
    previews: Previews,
) -> tuple[dict[str, NDArray[Any]], dict[str, Any], tuple[Voice, Voice] | None]:
    rasteriser = choose_rasteriser(context.device)
    engine = engine_of(spec)
    voices = None
    with watch.stage("read the selection", "finding the texels that are selected"):
        given = read_inpaint(spec, context.inputs, notes)
    with watch.stage("read the prompt", spec.prompt):
        if engine != "classical":
            views = preset.paint.views + 1
            room = memory.surface_room(preset.finish.texture, preset.fine.pixels, views)
            plan = notes.planned(memory.plan_painting(spec.prior, context, views, room=room))
            voices = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes, spec, plan,
                                 paints=engine == "views")
    with watch.stage("paint", "making it anew") as tell:
        if voices is None:
            image, facts = continued(spec, given, rasteriser, context.device, tell, previews)
        else:
            way = painted if engine == "views" else distilled
            image, facts = way(spec, preset, given, voices, rasteriser, seed, tell, previews)
    with watch.stage("deliver", "taking its picture"):
        whole = composed(given.picture, image, given.fresh, given.opacity)
        flat = np.ascontiguousarray(whole[..., :3])
        thumbnail = portrait(Asset(given.mesh, flat, {}), context.device, rasteriser)
        seams = seam_error(given.mesh, flat / 255.0)
    arrays: dict[str, NDArray[Any]] = {"base_colour": png(whole), "thumbnail": png(thumbnail)}
    found = {"inpaint": facts, "seams": {"rms": round(seams.rms, 5), "edges": seams.edges}, **given.facts}
    return arrays, found, voices


def _of_both(voices: tuple[Voice, Voice] | None, what: Any) -> dict[str, str] | None:
    return None if voices is None else {"coarse": what(voices[0]), "fine": what(voices[1])}


def _plan(spec: InpaintSpec, preset: Preset) -> dict[str, float]:
    """Expected seconds of each stage with the embedded prior on two cores."""
    steps = preset.coarse.steps // 2 + preset.fine.steps
    seconds = {"classical": 8.0, "views": 8.0, "distillation": 0.12 * steps}[engine_of(spec)]
    return {"read the selection": 3.0, "read the prompt": 2.0 if spec.words else 0.05, "paint": seconds, "deliver": 1.0}
