# SPDX-License-Identifier: GPL-3.0-or-later
"""Text to 3D, after Magic3D (Lin et al., CVPR 2023): read the prompt, coarse, carry over, fine, finish, paint,
deliver."""

from __future__ import annotations

import secrets
from typing import Any

import torch

from backend.fields.texture import TextureField
from backend.jobs import memory, presets
from backend.jobs.carry_over import CarriedOver, carry_over
from backend.jobs.choir import guide_of
from backend.jobs.coarse import CoarseStage, run_coarse
from backend.jobs.context import JobContext
from backend.jobs.fine import FineStage
from backend.jobs.finish import Asset, arrays_of, finish, portrait
from backend.jobs.guide import Opinion, Voice, check_form
from backend.jobs.keeper import Keeper
from backend.jobs.paint import repaint
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews
from backend.jobs.prompt import Notes, read_prompt
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.render.raster import Rasteriser, choose_rasteriser
from protocol.specs import TextTo3DSpec

FIRST_PREVIEW = 12  # steps, or a quarter of the stage if that is fewer


def text_to_3d(spec: TextTo3DSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Goes on from the job's checkpoint if there is one. Raises MaquetteError for the user's eyes."""
    preset = presets.with_effort(presets.find(spec.preset), spec.effort)
    saved = context.load_checkpoint() or {}
    seed = saved.get("seed", spec.seed if spec.seed is not None else secrets.randbelow(2**31))
    seed = context.ranks.number_of_first(seed, context.device)
    watch = Stopwatch(context, _plan(preset))
    previews = Previews(context, preset.preview_every, spec.size_metres)
    notes = Notes(context)
    plan = notes.planned(memory.plan_for(preset, spec.prior, context))
    keeper = Keeper(context, seed)
    rasteriser = choose_rasteriser(context.device)

    with watch.stage("read the prompt", spec.prompt):
        broad, sharp = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes, spec, plan,
                                   several=True)
        for voice, guidance in ((broad, preset.coarse.guidance), (sharp, preset.fine.guidance)):
            for one in (voice, *voice.others):
                check_form(one.prior, guidance)
    with watch.stage("coarse", "finding the shape") as tell:
        stage = CoarseStage(preset.coarse, broad.prior, broad.book, context.device, seed, context.ranks,
                            plan.coarse_turns, broad)
        optimise_coarse(stage, saved, tell, previews, keeper)
    with watch.stage("carry over", "from fog to surface"):
        carried = carry_over(stage, preset.fine.tetrahedra, rasteriser)
    with watch.stage("fine", "sharpening the surface") as tell:
        fine = make_fine_stage(preset, carried, stage, sharp, broad, rasteriser, seed, plan.fine_turns)
        optimise_fine(fine, saved, tell, previews, keeper, stage)
    if not context.ranks.first:
        return MeshResult({}, {})  # the first has it all
    with watch.stage("finish", "making an asset of it") as tell:
        asset = finish(fine.surface, fine.texture, preset.finish, spec.texture_size, tell, notes.add)
    if preset.paints:
        with watch.stage("paint", "painting it from all around") as tell:
            asset = repaint(asset, broad, sharp, preset.paint, rasteriser, seed + 3, tell, previews.of_pictures)
    with watch.stage("deliver", "taking its picture"):
        thumbnail = portrait(asset, context.device, rasteriser)
        arrays = arrays_of(asset, thumbnail, spec.size_metres)
    report = make_report(spec, preset, seed, broad, sharp, watch, carried, asset, notes, (stage, fine))
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult(arrays, report)


def optimise_coarse(
    stage: CoarseStage, saved: dict[str, Any], tell: Any, previews: Previews, keeper: Keeper
) -> None:
    """The coarse stage to its end, with previews and checkpoints."""
    if "coarse" in saved:
        stage.load(saved["coarse"])

    def after_step(now: CoarseStage, opinion: Opinion) -> None:
        tell(now.share, f"step {now.step} of {now.steps}")
        # The first steps show nothing but the blob that every field starts as.
        if previews.due() and now.step >= min(FIRST_PREVIEW, now.steps // 4):
            previews.of_field(now.field, now.guide.picture(opinion))
        if keeper.due():
            keeper.keep(coarse=now.state())

    run_coarse(stage, after_step)


def make_fine_stage(
    preset: Preset,
    carried: CarriedOver,
    coarse: CoarseStage,
    sharp: Voice,
    broad: Voice,
    rasteriser: Rasteriser,
    seed: int,
    turns: int = 1,
) -> FineStage:
    """The second stage on the carried-over surface, with the coarse stage's colours inherited."""
    generator = torch.Generator().manual_seed(seed + 1)
    return FineStage(
        preset.fine,
        carried.surface,
        TextureField.inherit(coarse.field),
        guide_of(sharp, preset.fine.guidance, generator, coarse.ranks),
        guide_of(broad, preset.coarse.guidance, generator, coarse.ranks),
        rasteriser,
        seed + 2,
        coarse.ranks,
        turns,
    )


def optimise_fine(
    stage: FineStage,
    saved: dict[str, Any],
    tell: Any,
    previews: Previews,
    keeper: Keeper,
    coarse: CoarseStage | None,
) -> None:
    """The fine stage to its end, with previews and checkpoints. coarse: the finished stage before it, if there was."""
    if "fine" in saved:
        # The grid may have been laid differently before the crash, so it comes from the checkpoint too.
        stage.surface.load_state_dict(saved["fine"]["modules"]["surface"])
        stage.load(saved["fine"])
    while not stage.finished:
        answer = stage.advance()
        tell(stage.share, f"step {stage.step} of {stage.steps}")
        if answer is not None and previews.due():
            guide, opinion = answer
            previews.of_surface(stage.surface, stage.texture, guide.picture(opinion))
        if stage.at_rest and keeper.due():
            keeper.keep(**({} if coarse is None else {"coarse": coarse.state()}), fine=stage.state())


def make_report(
    spec: TextTo3DSpec,
    preset: Preset,
    seed: int,
    broad: Voice,
    sharp: Voice,
    watch: Stopwatch,
    carried: CarriedOver,
    asset: Asset,
    notes: Notes,
    stages: tuple[CoarseStage, FineStage],
) -> dict[str, Any]:
    """Everything somebody may ask about a result later, as plain values."""
    recoveries = sum(stage.recoveries for stage in stages)
    if recoveries:
        notes.add(f"Values stopped being finite {recoveries} times; it went back to the last good step each time.")
    return {
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "seed": seed,
        "preset": preset.name,
        "effort": spec.effort,
        "settings": presets.as_map(preset),
        "prior": {"coarse": broad.name, "fine": sharp.name},
        "prior_revision": {"coarse": broad.revision, "fine": sharp.revision},
        "versions": versions(),
        "device": str(broad.prior.device),
        "ranks": stages[0].ranks.world,
        "stages": [record.to_map() for record in watch.records],
        "scores": {
            "outline_agreement": round(carried.agreement, 4),
            "density_level": round(carried.level, 4),
            "recoveries": recoveries,
        },
        **asset.facts,
        "material": {"roughness": 0.6, "metallic": 0.0},
        "size_metres": spec.size_metres,
        "nearest_known": notes.nearest_known,
        "memory": notes.memory,
        "warnings": notes.warnings,
    }


def warm_up(context: JobContext) -> None:
    """Loads the embedded prior and runs every kernel once on a tiny job, so that the first real job isn't slower."""
    spec = TextTo3DSpec("a mug", seed=0)
    notes = Notes(context)
    broad, _ = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes)
    preset = presets.with_effort(presets.DRAFT, 0.005)
    stage = CoarseStage(preset.coarse, broad.prior, broad.book, context.device, 0)
    stage.advance()
    carry_over(stage, 16, choose_rasteriser(context.device))


def _plan(preset: Preset) -> dict[str, float]:
    """Expected seconds of each stage with the embedded prior on two cores; only their ratios matter for the bar, and
    the stopwatch corrects them as it goes."""
    work = preset.coarse.views * (preset.coarse.pixels / 32) ** 2 / 4
    sharp = preset.fine.views * (preset.fine.pixels / 128) ** 2 / 4
    return {
        "read the prompt": 2.0,
        "coarse": 0.12 * preset.coarse.steps * work,
        "carry over": 3.0,
        "fine": 0.25 * preset.fine.steps * sharp,
        "finish": 6.0,
        **({"paint": 12.0} if preset.paints else {}),
        "deliver": 1.0,
    }
