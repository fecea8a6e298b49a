# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine stage against a prior that knows the truth: a wrong ball becomes the right box, colour included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from backend.embedded.objects import Recipe, build, interior
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.geometry.health import check
from backend.jobs.coarse import hash_grid_config
from backend.jobs.fine import FineStage, render_surface
from backend.jobs.guide import Guide
from backend.jobs.presets import DRAFT
from backend.jobs.views import turntable
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser

from .oracle import OraclePrior


def make_stage(steps: int) -> tuple[FineStage, object]:
    truth = build(Recipe("chest", "green"), np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    surface = TetrahedralSDF.from_density(lambda points: (0.62 - points.norm(dim=-1)).clamp_min(0) * 50, 24)
    texture = TextureField(TextureConfig(hash_grid_config(DRAFT.coarse.grid), 32), generator)
    settings = replace(DRAFT.fine, steps=steps, pixels=64, surface_learning_rate=0.01)
    guides = []
    for size in (64, 32):
        prior = OraclePrior(truth, size)
        guides.append(Guide(prior, PromptBook(prior, "a green chest"), settings.guidance, generator))
    return FineStage(settings, surface, texture, guides[0], guides[1], WarpRasteriser(), 1), truth


def overlap(stage: FineStage, truth: object) -> float:
    """IoU of the surface's silhouettes with the truth's from eight sides."""
    cameras = turntable(8, 64)
    wanted = OraclePrior(truth, 64)  # type: ignore[arg-type]
    from backend.priors.views import ViewCondition

    view = ViewCondition.from_cameras(cameras)
    target = wanted.network(torch.zeros(8, 4, 64, 64), torch.zeros(8).long(), wanted.embed([""]), view)[:, 3] > 0
    with torch.no_grad():
        vertices, faces = stage.surface.surface()
        seen = stage.rasteriser.rasterise(vertices, faces.int().contiguous(), cameras).mask
    return float((seen & target).sum() / (seen | target).sum())


def test_outline_and_colour_follow_the_prior() -> None:
    torch.set_num_threads(1)
    stage, truth = make_stage(60)
    before = overlap(stage, truth)
    while not stage.finished:
        stage.advance()
    assert overlap(stage, truth) > max(0.85, before + 0.1) and stage.recoveries == 0
    vertices, faces = (one.detach() for one in stage.surface.surface())
    assert check(vertices.numpy(), faces.numpy().astype(np.int32)).closed
    seen = render_surface(stage.texture, vertices, faces, turntable(4, 64), stage.rasteriser)
    colour = seen.colour.sum((0, 1, 2)) / seen.opacity.sum()
    assert colour[1] > 1.3 * colour[0] and colour[1] > 1.3 * colour[2]
    inside = interior(truth, vertices.numpy() * 0.8)  # type: ignore[arg-type]
    assert inside.mean() > 0.9


def test_a_resumed_stage_repeats_itself() -> None:
    torch.set_num_threads(1)
    first, _ = make_stage(12)
    for _ in range(4):
        first.advance()
    while not first.at_rest:  # targets are not kept
        first.advance()
    state = first.state()
    second, _ = make_stage(12)
    second.load(state)
    for stage in (first, second):
        while not stage.finished:
            stage.advance()
    assert torch.equal(first.surface.sdf, second.surface.sdf) and torch.equal(first.texture.table, second.texture.table)
