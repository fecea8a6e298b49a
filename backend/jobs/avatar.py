# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence becomes a person: read who it is, dress the body, sculpt it under guidance, finish, bind, move.

The words choose body, hair and clothes, so that any prior begins with a figure that is what was asked for; what
a prior adds is sculpted and coloured on a leash around it (AvatarCLIP, Hong et al. 2022). The mesh is the surface of
one solid, with the head enlarged while it is simplified, unwrapped and baked, so that a face gets the triangles and
texels that it needs. Skeleton and weights come from the body inside.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from backend.avatar.body import AXES
from backend.avatar.carry import worn_weights
from backend.avatar.codebook import best_of
from backend.avatar.dress import dress
from backend.avatar.implicit import DressedSolid, Magnifier
from backend.avatar.reading import Reading, read, with_height
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.geometry.bake import bake
from backend.geometry.clean import clean
from backend.geometry.health import check
from backend.geometry.mesh import Mesh, face_areas
from backend.geometry.simplify import simplify
from backend.geometry.unwrap import unwrap
from backend.jobs import memory, presets
from backend.jobs.avatar_stage import SculptStage, Texts
from backend.jobs.coarse import hash_grid_config
from backend.jobs.context import JobContext
from backend.jobs.edit_stage import Leash, LeashedSurface, take_on_colours
from backend.jobs.finish import SMOOTHING, Asset, arrays_at, portrait
from backend.jobs.guide import Voice
from backend.jobs.keeper import Keeper
from backend.jobs.paint import repaint
from backend.jobs.presets import AvatarSculpt, Preset
from backend.jobs.previews import Previews, to_bytes
from backend.jobs.prompt import Notes, arrange, load_prior, take_turns, taught
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.motion.library import perform
from backend.priors.embedded import EmbeddedPrior
from backend.priors.prompts import PromptBook
from backend.render.raster import Rasteriser, choose_rasteriser
from backend.rigging.transfer import bind
from protocol.specs import AvatarSpec

Tell = Callable[[float, str], None]
Points = NDArray[np.float32]

HEAD_FACTOR = 2.2  # how much larger a head is made for simplifying and unwrapping: nearly five times the texels
PLACES = 60_000  # of the surface at which colours are taken over and drawn back to
SPARE = 0.06  # field units around the figure: more than a cell of any grid


def avatar(spec: AvatarSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Goes on from the job's checkpoint if there is one. Raises MaquetteError for the user's eyes."""
    preset = presets.with_effort(presets.find(spec.preset), spec.effort)
    saved = context.load_checkpoint() or {}
    seed = saved.get("seed", spec.seed if spec.seed is not None else secrets.randbelow(2**31))
    reading = read(spec.prompt, spec.height_metres, spec.negative_prompt)
    watch = Stopwatch(context, _plan(spec, preset))
    notes = Notes(context)
    for note in reading.notes:
        notes.add(note)
    if context.memory_share < 1.0:
        fewer = max(1, int(preset.avatar.views * context.memory_share))
        preset = replace(preset, avatar=replace(preset.avatar, views=fewer))
        notes.add("The device's memory ran out before; this attempt looks through fewer views at once.")
    rasteriser = choose_rasteriser(context.device)
    with watch.stage("read the prompt", spec.prompt):
        figure = preset.avatar
        room = memory.surface_room(spec.texture_size or figure.texture, figure.pixels, figure.views)
        plan, views = memory.plan_figure(spec.prior, context, figure.views, figure.tetrahedra, room)
        if views < figure.views:
            notes.add(f"To fit into the device's memory the figure is looked at from {views} sides at once instead of "
                      f"{figure.views}.")
            preset = replace(preset, avatar=replace(figure, views=views))
        broad, sharp = read_voices(spec, context, notes, notes.planned(plan))
    preset = replace(preset, avatar=fitting(preset.avatar, sharp))
    with watch.stage("dress", "choosing body and clothes") as tell:
        reading = seen_by_clip(spec, reading, context, tell)
        solid = DressedSolid(dress(reading.look), context.device)
        body = solid.figure.body
    previews = Previews(context, preset.preview_every, 1.0, solid.frame.back)
    with watch.stage("sculpt", "taking on the figure") as tell:
        stage, before = make_stage(spec, preset, solid, sharp, rasteriser, seed, tell)
        sculpt(stage, saved, tell, previews, Keeper(context, seed))
    with watch.stage("finish", "making an asset of it") as tell:
        asset = finish_figure(solid, stage, before, preset, spec.texture_size, tell, notes.add)
    if preset.avatar.paint_begin > 0:
        with watch.stage("paint", "painting it from all around") as tell:
            stroke = replace(preset.paint.broad, begin=preset.avatar.paint_begin)
            asset = repaint(asset, broad, sharp, replace(preset.paint, broad=stroke), rasteriser, seed + 3, tell,
                            previews.of_pictures)
    with watch.stage("bind", "giving it a skeleton"):
        vertices = solid.frame.back(asset.mesh.vertices)
        skeleton, weights = bind(body, Mesh(vertices, asset.mesh.faces), check=context.check)
        weights = worn_weights(solid.figure, vertices, solid.part_at(asset.mesh.vertices), weights)
        # Soles lie under the bare feet; it is the shoes that stand on the ground.
        up = np.array([0.0, 0.0, -vertices[:, 2].min()], np.float32)
        vertices = vertices + up
        skeleton = replace(skeleton, heads=skeleton.heads + up, tails=skeleton.tails + up)
    arrays: dict[str, NDArray[Any]] = {}
    facts: dict[str, Any] = {}
    if spec.motion.strip():
        with watch.stage("move", spec.motion):
            motion = perform(spec.motion, skeleton, spec.seconds, spec.fps, seed)
            arrays.update(motion.to_arrays())
            facts["motion"] = motion.facts()
    with watch.stage("deliver", "taking its picture"):
        arrays = {**arrays_at(vertices, asset, portrait(asset, context.device, rasteriser)), **skeleton.arrays(),
                  **weights.arrays(), **arrays}
    report = {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": preset.name,
        "effort": spec.effort,
        "settings": presets.as_map(preset),
        "prior": {"coarse": broad.prior.traits.name, "fine": sharp.prior.traits.name},
        "prior_revision": {"coarse": broad.prior.traits.revision, "fine": sharp.prior.traits.revision},
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "avatar": description(reading, body.height),
        "scores": {"recoveries": stage.recoveries, "moved": moved(stage)},
        **facts,
        **asset.facts,
        "material": {"roughness": 0.7, "metallic": 0.0},
        "memory": notes.memory,
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def read_voices(
    spec: AvatarSpec, context: JobContext, notes: Notes, plan: memory.MemoryPlan | None = None
) -> tuple[Voice, Voice]:
    """The prior of each stage with the prompt read. What the embedded prior knows of the prompt is not asked: who the
    figure is follows from the words, whatever the prior has seen."""
    take_turns(context, plan is not None and plan.parked)
    priors = load_prior(spec.prior, "coarse", context), load_prior(spec.prior, "fine", context)
    for one in priors:
        arrange(one, plan, context)
    broad, sharp = taught(priors, spec.prior, spec.prompt, spec.negative_prompt, context, notes, spec)
    first = Voice(broad, PromptBook(broad, spec.prompt, spec.negative_prompt))
    if sharp is broad:
        return first, first
    return first, Voice(sharp, PromptBook(sharp, spec.prompt, spec.negative_prompt))


def fitting(settings: AvatarSculpt, voice: Voice) -> AvatarSculpt:
    """The preset's numbers for this prior: the embedded one has hardly seen people, and given more say than in the
    draft it melts faces and paints them in the colour of the dress, whatever the preset."""
    if not isinstance(voice.prior, EmbeddedPrior):
        return settings
    draft = presets.DRAFT.avatar
    most = {name: min(getattr(settings, name), getattr(draft, name)) for name in (
        "steps", "pixels", "reach", "weight", "learning_rate", "surface_learning_rate", "most_tint", "paint_begin")}
    least = {name: max(getattr(settings, name), getattr(draft, name)) for name in ("keep_colour", "keep_shape")}
    return replace(settings, **most, **least)


def seen_by_clip(spec: AvatarSpec, reading: Reading, context: JobContext, tell: Tell) -> Reading:
    """The reading with what a CLIP finds for the sliders that the words leave open; as it is where there is no CLIP."""
    if context.clip_folder is None:
        return reading
    found = best_of(spec.prompt, reading.decided, context.clip_folder, context.cache, context.device,
                    lambda share: tell(share, "looking at bodies"))
    look = replace(reading.look, sliders={**reading.look.sliders, **found})
    return replace(reading, look=look if reading.height_metres is None else with_height(look, reading.height_metres))


def make_stage(
    spec: AvatarSpec, preset: Preset, solid: DressedSolid, voice: Voice, rasteriser: Rasteriser, seed: int, tell: Tell
) -> tuple[SculptStage, TextureField]:
    """The sculpting stage at its start, and the colours that it starts with."""
    settings = preset.avatar
    low, high = _box(solid, settings.reach)
    surface = TetrahedralSDF.from_distance(solid.distance, settings.tetrahedra, low, high, device=solid.device)
    vertices, faces = surface.surface()
    chance = np.random.default_rng(seed)
    start = Mesh(vertices.detach().cpu().numpy(), faces.cpu().numpy().astype(np.int32))
    places = _places(start, chance)
    tell(0.02, "finding its colours")
    colours = solid.colours(places, lambda: tell(0.03, "finding its colours"))
    generator = torch.Generator().manual_seed(seed)
    grid = preset.fine.detail_grid
    texture = TextureField(TextureConfig(hash_grid_config(grid), grid.hidden), generator).to(solid.device)
    take_on_colours(texture, places, colours, preset.edit.begin_steps // 2, generator,
                    lambda share, text: tell(0.03 + 0.2 * share, text))
    anchor = torch.from_numpy(places).to(solid.device), torch.from_numpy(colours).to(solid.device)
    leashed = LeashedSurface(surface, Leash(settings.reach, settings.lattice, 0.0, 1.0))
    head = torch.from_numpy(solid.head[0]), solid.head[1]
    stage = SculptStage(settings, preset.fine, preset.fine.guidance, leashed, texture, anchor, head, voice,
                        Texts.of(spec.prompt), rasteriser, seed)
    return stage, copy.deepcopy(texture)


def sculpt(stage: SculptStage, saved: dict[str, Any], tell: Tell, previews: Previews, keeper: Keeper) -> None:
    """The stage to its end, with previews and checkpoints."""
    if "sculpt" in saved:
        stage.load(saved["sculpt"])
    while not stage.finished:
        guide, opinion = stage.advance()
        tell(0.25 + 0.75 * stage.share, f"step {stage.step} of {stage.steps}")
        if previews.due():
            previews.of_surface(stage.surface, stage.texture, guide.picture(opinion))  # type: ignore[arg-type]
        if keeper.due():
            keeper.keep(sculpt=stage.state())


def finish_figure(
    solid: DressedSolid, stage: SculptStage, before: TextureField, preset: Preset, texture_size: int, tell: Tell,
    warn: Callable[[str], None],
) -> Asset:
    """The sculpted figure as an asset, field units: the dressed solid with the sculpted change, its own colours with
    the sculpted tint, more of both where the head is."""
    settings = preset.avatar
    surface = stage.surface
    low, high = (torch.tensor(end, device=solid.device) for end in (surface.start.low, surface.start.high))

    @torch.no_grad()
    def change(points: torch.Tensor) -> torch.Tensor:
        at = ((points - low) / (high - low) * 2 - 1).view(1, 1, 1, -1, 3)
        found = functional.grid_sample(surface.change, at, align_corners=True).view(-1)
        return settings.reach * torch.tanh(found / settings.reach)

    raw = solid.surface(settings.cell, change, settings.reach, lambda: tell(0.1, "finding the surface"))
    tell(0.3, "cleaning the surface")
    cleaned, report = clean(raw, smoothing=SMOOTHING)
    if report.parts_dropped:
        warn(f"Loose parts too small to keep: {report.parts_dropped}.")
    lens = Magnifier(*solid.head, HEAD_FACTOR)
    large = Mesh(lens.grow(cleaned.vertices), cleaned.faces)
    tell(0.4, "simplifying")
    simple = simplify(large, settings.faces) if len(large.faces) > settings.faces else large
    tell(0.6, "unwrapping")
    size = texture_size or settings.texture
    unwrapped, uv_report = unwrap(simple, texture_size=size)
    if uv_report.note:
        warn(uv_report.note)
    mesh = Mesh(lens.shrink(unwrapped.vertices), unwrapped.faces, unwrapped.uvs)
    tell(0.8, "baking the texture")

    @torch.no_grad()
    def colour_at(points: Points) -> Points:
        said = solid.colours(points, lambda: tell(0.85, "baking the texture"))
        at = torch.from_numpy(points).to(solid.device)
        tint = (stage.texture.colour(at) - before.colour(at)).clamp(-settings.most_tint, settings.most_tint)
        return np.clip(said + tint.cpu().numpy(), 0.0, 1.0)

    baked = bake(mesh, colour_at, size)
    health = check(mesh.vertices, mesh.faces)
    if not health.sound:
        warn("The mesh is not closed and manifold everywhere; see `mesh` in the report.")
    facts = {"mesh": health.to_map(), "uv": uv_report.to_map(), "texture_size": size}
    return Asset(mesh, to_bytes(torch.from_numpy(baked.image)), facts, baked.texels)


def description(reading: Reading, height: float) -> dict[str, Any]:
    """What was made of the words, as plain values."""
    look = reading.look
    return {
        "height_metres": round(height, 4),
        "asked_height_metres": reading.height_metres,
        "sliders": {name: round(value, 4) for name, value in look.sliders.items() if name in AXES or value},
        "skin": look.skin,
        "hair": look.hair,
        "hair_colour": look.hair_colour,
        "beard": look.beard,
        "wears": [" ".join(part for part in (one.colour, one.pattern, one.kind) if part) for one in look.worn],
        "understood": list(reading.known),
        "not_understood": list(reading.unknown),
    }


def moved(stage: SculptStage) -> float:
    """Mean absolute change of the signed distance near the surface, field units."""
    near = stage.surface.start.sdf.abs() < 2 * stage.surface.grid.cell_size
    return round(float(stage.surface.moved.detach()[near].abs().mean()), 6)


def _places(mesh: Mesh, chance: np.random.Generator) -> Points:
    """(PLACES, 3) even places of a surface."""
    area = face_areas(mesh.vertices, mesh.faces)
    face = chance.choice(len(area), PLACES, p=area / area.sum())
    share = chance.dirichlet((1.0, 1.0, 1.0), PLACES)
    return (mesh.vertices[mesh.faces[face]] * share[:, :, None]).sum(1).astype(np.float32)


def _box(solid: DressedSolid, reach: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    vertices = solid.frame.vertices(solid.figure.joined()[0]).astype(np.float64)
    room = reach + SPARE
    return tuple((vertices.min(0) - room).tolist()), tuple((vertices.max(0) + room).tolist())  # type: ignore[return-value]


def _plan(spec: AvatarSpec, preset: Preset) -> dict[str, float]:
    """Expected seconds of each stage with the embedded prior on two cores."""
    settings = preset.avatar
    return {
        "read the prompt": 2.0,
        "dress": 1.0,
        "sculpt": 8.0 + 0.3 * settings.steps * settings.views / 2 * (settings.pixels / 128) ** 2,
        "finish": 25.0,
        **({"paint": 12.0} if settings.paint_begin > 0 else {}),
        "bind": 3.0,
        **({"move": 2.0} if spec.motion.strip() else {}),
        "deliver": 1.0,
    }
