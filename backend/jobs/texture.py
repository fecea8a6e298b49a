# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence becomes the texture of a mesh that is there already: read the mesh and the prompt, paint, deliver."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.geometry.bake import sample, seam_error, texel_map
from backend.jobs import memory, presets
from backend.jobs.context import JobContext
from backend.jobs.finish import Asset, portrait
from backend.jobs.guide import Voice
from backend.jobs.paint import passes_of
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews, png
from backend.jobs.prompt import Notes, read_prompt
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.jobs.texture_input import TextureInput, read_input
from backend.jobs.texture_stage import TextureStage, distil
from backend.priors.embedded import EmbeddedPrior
from backend.priors.surfaces import load_surface_reader
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser, choose_rasteriser
from backend.texturing.canvas import NothingSeen
from backend.texturing.maps import read_maps
from backend.texturing.materials import material_of
from backend.texturing.paint import paint
from backend.texturing.rig import coverage, ring
from protocol.errors import BadRequest
from protocol.specs import TextureSpec

Tell = Callable[[float, str], None]
KNOWN_ELEVATIONS = (-15.0, 60.0)  # degrees; what the embedded prior saw in its training


def texture(spec: TextureSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes.

    The result's arrays: base_colour and thumbnail (PNG files), uvs (3F, 2) where new ones were made, and roughness and
    metallic (grey PNG files) where a prior that reads them is named.
    """
    preset = presets.with_effort(presets.find(spec.preset), spec.effort)
    seed = spec.seed if spec.seed is not None else secrets.randbelow(2**31)
    watch = Stopwatch(context, _plan(spec, preset))
    notes = Notes(context)
    previews = Previews(context, preset.preview_every, 1.0)
    rasteriser = choose_rasteriser(context.device)
    with watch.stage("read the mesh", "looking at the mesh and its UVs"):
        given = read_input(spec, context.inputs, preset.finish.texture, notes)
    with watch.stage("read the prompt", spec.prompt):
        views = preset.paint.views + 1 if spec.engine == "views" else preset.fine.views
        room = memory.surface_room(given.size, preset.fine.pixels, views)
        plan = notes.planned(memory.plan_painting(spec.prior, context, views, room=room))
        broad, sharp = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes, spec, plan,
                                   paints=spec.engine == "views")
    with watch.stage("paint", "painting it from all around") as tell:
        engine = by_views if spec.engine == "views" else by_distillation
        image, facts = engine(spec, preset, given, (broad, sharp), rasteriser, seed, tell, previews)
    material = material_of(spec.prompt).to_map()
    maps: dict[str, NDArray[np.uint8]] = {}
    if spec.maps:
        with watch.stage("read the surface", "roughness and metallic of every view") as tell:
            reader = load_surface_reader(spec.maps, context.device)
            cameras = rig_of(spec, preset, given, (broad, sharp), rasteriser)
            maps = read_maps(given.mesh, image, cameras, rasteriser, reader, seed, tell, given.two_sided)
            material = {**material, "source": f"maps read by {reader.name}"}
    with watch.stage("deliver", "taking its picture"):
        thumbnail = portrait(Asset(given.mesh, image, {}), context.device, rasteriser)
        arrays: dict[str, NDArray[Any]] = {"base_colour": png(image), "thumbnail": png(thumbnail)}
        arrays |= {name: png(picture) for name, picture in maps.items()}
        if given.new_uvs:
            assert given.mesh.uvs is not None
            arrays["uvs"] = given.mesh.uvs
        seams = seam_error(given.mesh, image / 255.0)
    report = {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": preset.name,
        "effort": spec.effort,
        "engine": spec.engine,
        "rig": spec.rig,
        "strength": spec.strength,
        "settings": presets.as_map(preset),
        "prior": {"coarse": broad.prior.traits.name, "fine": sharp.prior.traits.name},
        "prior_revision": {"coarse": broad.prior.traits.revision, "fine": sharp.prior.traits.revision},
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "uv_layer": "new" if given.new_uvs else "given",
        "texture_size": given.size,
        "paint": facts,
        "seams": {"rms": round(seams.rms, 5), "edges": seams.edges},
        **given.facts,
        "material": material,
        "nearest_known": notes.nearest_known,
        "memory": notes.memory,
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def by_views(
    spec: TextureSpec, preset: Preset, given: TextureInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser,
    seed: int, tell: Tell, previews: Previews,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """(texture (S, S, 3), facts) by views that are denoised together. Raises BadRequest when no camera sees it."""
    strength = spec.strength if given.ground is not None else 1.0
    passes = passes_of(*voices, preset.paint, strength)
    cameras = rig_of(spec, preset, given, voices, rasteriser)
    together = views_together(voices)
    at_once = -(-spec.at_once // together) * together
    try:
        painted = paint(
            given.mesh, cameras, passes, given.size, rasteriser, torch.Generator().manual_seed(seed), tell,
            ground=given.ground, at_once=at_once, two_sided=given.two_sided, show=previews.of_pictures,
        )
    except NothingSeen as problem:
        raise BadRequest("None of the cameras sees the object.", path="inputs.cameras",
                         hint="Point a camera at it, or set `rig` to turntable or coverage.") from problem
    return painted.image, painted.report


def by_distillation(
    spec: TextureSpec, preset: Preset, given: TextureInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser,
    seed: int, tell: Tell, previews: Previews,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """(texture (S, S, 3), facts) by score distillation into a colour field; cameras stand all around, any rig."""
    texels = texel_map(given.mesh, given.size)
    ground = given.ground
    stage = TextureStage(preset, given.mesh, *voices, rasteriser, seed, 1.0 if ground is None else spec.strength)
    if ground is not None:
        assert given.mesh.uvs is not None
        corners = given.mesh.uvs.reshape(-1, 3, 2)[texels.face]
        uv = (corners * texels.barycentric[:, :, None]).sum(1)
        stage.begin(texels.points, sample(ground.picture / 255.0, uv).astype(np.float32))
    distil(stage, tell, previews)
    image = stage.baked(texels)
    if ground is not None and ground.keep is not None:
        image[ground.keep] = ground.picture[ground.keep]
    return image, {"steps": stage.steps, "recoveries": stage.recoveries, "texels": len(texels.points)}


def rig_of(
    spec: TextureSpec, preset: Preset, given: TextureInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser
) -> Cameras:
    """The cameras to paint from, on the priors' device."""
    device = voices[0].prior.device
    together = views_together(voices)
    if given.cameras is not None:
        cameras = given.cameras.to(device)
    elif spec.rig == "turntable":
        cameras = ring(spec.views or preset.paint.views, above=60.0 if together == 1 else 0.0).to(device)
    else:
        elevations = KNOWN_ELEVATIONS if isinstance(voices[0].prior, EmbeddedPrior) else (-90.0, 90.0)
        cameras = coverage(given.mesh, spec.views or preset.paint.views, rasteriser, device, elevations,
                           given.two_sided)
    # A prior of several views at once gets whole batches: the first cameras once more.
    missing = -len(cameras) % together
    return cameras[torch.arange(len(cameras) + missing) % len(cameras)] if missing else cameras


def views_together(voices: tuple[Voice, Voice]) -> int:
    """How many views the priors want in a batch."""
    return max(voice.prior.traits.views_together for voice in voices)


def _plan(spec: TextureSpec, preset: Preset) -> dict[str, float]:
    """Expected seconds of each stage with the embedded prior on two cores."""
    paint_seconds = 12.0 if spec.engine == "views" else 0.1 * (preset.coarse.steps // 2 + preset.fine.steps)
    reading = {"read the surface": 60.0} if spec.maps else {}
    return {"read the mesh": 3.0, "read the prompt": 2.0, "paint": paint_seconds, **reading, "deliver": 1.0}
