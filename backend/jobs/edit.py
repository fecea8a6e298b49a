# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh becomes what a changed prompt says (Magic3D's editing): read it, take it on, reshape, finish, paint, deliver.

At `reshape` 0 nothing but the texture is made, and the mesh comes back to the last bit. Above that the mesh is carried
over to the fine stage's surface on a leash that grows with it; at 1 the coarse stage runs again first, from a field
that begins as the mesh. The result stands where the mesh stood.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.geometry.compare import surface_places
from backend.geometry.mesh import Mesh
from backend.geometry.solid import Solid
from backend.jobs import memory, presets
from backend.jobs.carry_over import carry_over
from backend.jobs.choir import guide_of
from backend.jobs.coarse import CoarseStage, hash_grid_config
from backend.jobs.context import JobContext
from backend.jobs.edit_input import EditInput, read_edit
from backend.jobs.edit_stage import (
    EditStage,
    Leash,
    LeashedSurface,
    Tell,
    calmer,
    coarse_settings,
    fine_settings,
    take_on_colours,
    take_on_shape,
)
from backend.jobs.fine import FineStage
from backend.jobs.finish import Asset, arrays_at, finish, portrait
from backend.jobs.guide import Voice
from backend.jobs.keeper import Keeper
from backend.jobs.paint import repaint
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews
from backend.jobs.prompt import Notes, read_prompt
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.jobs.text_to_3d import optimise_coarse, optimise_fine
from backend.jobs.texture import by_views
from backend.jobs.texture_input import read_input
from backend.kernels.winding import NearestSurface
from backend.render.raster import Rasteriser, choose_rasteriser
from backend.texturing.materials import material_of
from backend.texturing.rig import RADIUS
from protocol.specs import EditSpec, TextureSpec

Points = NDArray[np.float32]

MOST_ROOM = 0.12  # of the longest side: room for what the prompt adds
SPARE = 0.06  # field units: more than a cell of any grid, so that the surface closes inside of the box
ASKED = 1 << 15  # points: below half a second of a slow core
COMPARED = 20_000  # places of the surface at which the report says how far it moved


def edit(spec: EditSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Goes on from the job's checkpoint if there is one. Raises MaquetteError for the user's eyes."""
    preset = presets.with_effort(presets.find(spec.preset), spec.effort)
    saved = context.load_checkpoint() or {}
    seed = saved.get("seed", spec.seed if spec.seed is not None else secrets.randbelow(2**31))
    watch = Stopwatch(context, _plan(spec, preset))
    notes = Notes(context)
    rasteriser = choose_rasteriser(context.device)
    plan = notes.planned(memory.plan_for(preset, spec.prior, context))
    with watch.stage("read the mesh", "looking at the mesh"):
        given = read_edit(context.inputs, notes)
    previews = Previews(context, preset.preview_every, 1.0, given.frame.back)
    with watch.stage("read the prompt", spec.prompt):
        broad, sharp = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes, spec, plan,
                                   several=spec.reshape > 0)
    work = _Work(spec, preset, plan, seed, context, watch, notes, previews, rasteriser, broad, sharp, given)
    asset, vertices, facts = work.retexture() if spec.reshape == 0 else work.reshape(saved)
    with watch.stage("deliver", "taking its picture"):
        arrays = arrays_at(vertices, asset, portrait(asset, context.device, rasteriser))
    report = {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": preset.name,
        "effort": spec.effort,
        "reshape": spec.reshape,
        "strength": spec.strength,
        "settings": presets.as_map(preset),
        "prior": {"coarse": broad.name, "fine": sharp.name},
        "prior_revision": {"coarse": broad.revision, "fine": sharp.revision},
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "scores": facts,
        **given.facts,
        **asset.facts,
        "material": material_of(spec.prompt).to_map(),
        "nearest_known": notes.nearest_known,
        "memory": notes.memory,
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


class _Work:
    """One job's tools and material, and the two ways to do it."""

    def __init__(
        self, spec: EditSpec, preset: Preset, plan: memory.MemoryPlan, seed: int, context: JobContext, watch: Stopwatch,
        notes: Notes, previews: Previews, rasteriser: Rasteriser, broad: Voice, sharp: Voice, given: EditInput,
    ):
        self.spec, self.preset, self.plan, self.seed, self.context = spec, preset, plan, seed, context
        self.watch, self.notes, self.previews, self.rasteriser = watch, notes, previews, rasteriser
        self.broad, self.sharp, self.given = broad, sharp, given

    def retexture(self) -> tuple[Asset, NDArray[np.float32], dict[str, Any]]:
        """(asset, its vertices as they came in, scores): the mesh stays, its texture is painted as by a texture job."""
        spec = self.spec
        as_texture = TextureSpec(spec.prompt, spec.negative_prompt, spec.preset, spec.prior, self.seed,
                                 strength=spec.strength, texture_size=spec.texture_size)
        with self.watch.stage("paint", "painting it from all around") as tell:
            given = read_input(as_texture, self.context.inputs, self.preset.finish.texture, self.notes)
            image, report = by_views(as_texture, self.preset, given, (self.broad, self.sharp), self.rasteriser,
                                     self.seed, tell, self.previews)
        facts = {**given.facts, "paint": report, "texture_size": given.size,
                 "uv_layer": "new" if given.new_uvs else "given"}
        return Asset(given.mesh, image, facts), np.asarray(self.context.inputs["vertices"]), {"moved": 0.0}

    def reshape(self, saved: dict[str, Any]) -> tuple[Asset, NDArray[np.float32], dict[str, Any]]:
        """(asset, its vertices in the object's frame, scores): a new mesh that begins as the old one."""
        spec, preset, watch, given = self.spec, self.preset, self.watch, self.given
        keeper = Keeper(self.context, self.seed)
        chance = np.random.default_rng(self.seed)
        with watch.stage("take on the mesh", "finding its inside") as tell:
            solid = Solid(given.mesh, 2.0 / preset.edit.tetrahedra, self.context.device)
            points, colours = given.colours(chance)
            if spec.reshape == 1.0:
                coarse = self._coarse_stage(solid, points, colours, "coarse" in saved or "fine" in saved, tell)
            else:
                coarse, texture = None, self._texture(points, colours, "fine" in saved, tell)
        if coarse is not None:
            with watch.stage("coarse", "finding the shape anew") as tell:
                optimise_coarse(coarse, saved, tell, self.previews, keeper)
            with watch.stage("carry over", "from fog to surface"):
                surface = carry_over(coarse, preset.edit.tetrahedra, self.rasteriser).surface
            fine = self._fine_stage(surface, TextureField.inherit(coarse.field), None)
        else:
            leash = Leash.of(spec.reshape)
            surface = TetrahedralSDF.from_distance(
                self._asked(solid), preset.edit.tetrahedra, *_box(given.mesh, leash.reach), band=1.5 * leash.reach,
                device=self.context.device,
            )
            fine = self._fine_stage(surface, texture, leash)
        with watch.stage("fine", "reshaping the surface") as tell:
            optimise_fine(fine, saved, tell, self.previews, keeper, coarse)
        with watch.stage("finish", "making an asset of it") as tell:
            asset = finish(fine.surface, fine.texture, preset.finish, spec.texture_size, tell, self.notes.add)
        if preset.paints:
            with watch.stage("paint", "painting it from all around") as tell:
                stroke = replace(preset.paint.broad, begin=min(preset.paint.broad.begin, spec.strength))
                asset = repaint(asset, self.broad, self.sharp, replace(preset.paint, broad=stroke), self.rasteriser,
                                self.seed + 3, tell, self.previews.of_pictures)
        scores = {"moved": _moved(given.mesh, asset.mesh, chance), "sheet_share": round(solid.sheet_share, 4),
                  "recoveries": fine.recoveries + (0 if coarse is None else coarse.recoveries)}
        return asset, given.frame.back(asset.mesh.vertices), scores

    def _asked(self, solid: Solid) -> Callable[[Tensor], Tensor]:
        """The solid's distance, a few points at a time, so that a job can be cancelled between them."""

        def distance(points: Tensor) -> Tensor:
            found = []
            for part in points.split(ASKED):
                self.context.check()
                found.append(solid.distance(part))
            return torch.cat(found)

        return distance

    def _texture(self, points: Points, colours: Points, resumed: bool, tell: Tell) -> TextureField:
        """A texture field with the mesh's colours; one that resumes takes its own from the checkpoint."""
        grid = self.preset.fine.detail_grid
        generator = torch.Generator().manual_seed(self.seed)
        texture = TextureField(TextureConfig(hash_grid_config(grid), grid.hidden), generator).to(self.context.device)
        if not resumed:
            take_on_colours(texture, points, colours, self.preset.edit.begin_steps, generator, tell)
        return texture

    def _coarse_stage(
        self, solid: Solid, points: Points, colours: Points, resumed: bool, tell: Tell
    ) -> CoarseStage:
        """A coarse stage whose field begins as the mesh; one that resumes takes its field from the checkpoint."""
        settings = coarse_settings(self.preset.coarse, self.preset.edit)
        stage = CoarseStage(settings, self.broad.prior, self.broad.book, self.context.device, self.seed,
                            turns=self.plan.coarse_turns, voice=self.broad)
        if not resumed:
            generator = torch.Generator().manual_seed(self.seed)
            take_on_shape(stage.field, self._asked(solid), points, colours, self.preset.edit.begin_steps, generator,
                          tell)
        return stage

    def _fine_stage(self, surface: TetrahedralSDF, texture: TextureField, leash: Leash | None) -> FineStage:
        generator = torch.Generator().manual_seed(self.seed + 1)
        noise = 1.0 if leash is None else leash.noise
        settings = fine_settings(self.preset.fine, self.preset.edit, noise)
        sharp = guide_of(self.sharp, settings.guidance, generator)
        broad = guide_of(self.broad, calmer(self.preset.coarse.guidance, noise), generator)
        if leash is None:
            return FineStage(settings, surface, texture, sharp, broad, self.rasteriser, self.seed + 2,
                             turns=self.plan.fine_turns)
        held: Any = LeashedSurface(surface, leash)
        return EditStage(settings, held, texture, sharp, broad, self.rasteriser, self.seed + 2,
                         turns=self.plan.fine_turns)


def _box(mesh: Mesh, reach: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The grid's box: the mesh's with room for what may be added, inside of what the cameras see."""
    low, high = mesh.vertices.min(0).astype(np.float64), mesh.vertices.max(0).astype(np.float64)
    room = min(reach, MOST_ROOM * float((high - low).max())) + SPARE
    low, high = np.maximum(low - room, -1.0), np.minimum(high + room, 1.0)
    return tuple(low.tolist()), tuple(high.tolist())  # type: ignore[return-value]


def _moved(before: Mesh, after: Mesh, chance: np.random.Generator) -> float:
    """Mean distance of the new surface from the old one and back, as a share of the old bounding sphere's diameter."""
    total = 0.0
    for one, other in ((before, after), (after, before)):
        places, _, _ = surface_places(one, COMPARED, chance)
        nearest = NearestSurface(torch.from_numpy(other.vertices), torch.from_numpy(other.faces))
        total += float(nearest.ask(torch.from_numpy(places.astype(np.float32))).distance.mean())
    return round(total / 2 / (2 * RADIUS), 5)


def _plan(spec: EditSpec, preset: Preset) -> dict[str, float]:
    """Expected seconds of each stage with the embedded prior on two cores."""
    if spec.reshape == 0:
        return {"read the mesh": 1.0, "read the prompt": 2.0, "paint": 15.0, "deliver": 1.0}
    work = preset.coarse.views * (preset.coarse.pixels / 32) ** 2 / 4
    sharp = preset.fine.views * (preset.fine.pixels / 128) ** 2 / 4
    anew = {"coarse": 0.12 * preset.coarse.steps * preset.edit.again * work, "carry over": 4.0}
    return {
        "read the mesh": 1.0,
        "read the prompt": 2.0,
        "take on the mesh": 12.0,
        **(anew if spec.reshape == 1.0 else {}),
        "fine": 0.3 * preset.fine.steps * sharp,
        "finish": 6.0,
        **({"paint": 12.0} if preset.paints else {}),
        "deliver": 1.0,
    }
