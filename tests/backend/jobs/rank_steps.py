# SPDX-License-Identifier: GPL-3.0-or-later
"""Single steps of both stages with the embedded prior, for the test of ranks; also a program, one process a rank.

    python rank_steps.py MEETING RANK WORLD OUTPUT
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from backend.distillation.ranks import Ranks
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.jobs.coarse import CoarseStage, hash_grid_config
from backend.jobs.fine import FineStage
from backend.jobs.guide import Guide
from backend.jobs.presets import DRAFT
from backend.jobs.stage import Stage
from backend.priors import catalog
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser

CPU = torch.device("cpu")
VIEWS = 3  # does not divide by two


def gradients(ranks: Ranks, turns: int = 1) -> dict[str, Tensor]:
    """The gradient of every parameter after one step: coarse plain, coarse lit with all terms, fine; and the parameters
    after three steps of the fine stage, targets used again."""
    torch.set_num_threads(1)
    prior = catalog.load("", "coarse", CPU)
    book = PromptBook(prior, "a red chair")
    found: dict[str, Tensor] = {}
    always = replace(DRAFT.coarse, views=VIEWS, steps=10, light=replace(DRAFT.coarse.light, begin=0.0, lit=1.0))
    for name, settings, step in (("plain", replace(DRAFT.coarse, views=VIEWS, steps=10), 0), ("lit", always, 9)):
        stage = CoarseStage(settings, prior, book, CPU, 3, ranks, turns)
        stage.step = step
        found |= one_step(name, stage)
    generator = torch.Generator().manual_seed(0)
    surface = TetrahedralSDF.from_density(lambda points: (0.62 - points.norm(dim=-1)).clamp_min(0) * 50, 16)
    texture = TextureField(TextureConfig(hash_grid_config(DRAFT.coarse.grid), 32), generator)
    guide = Guide(prior, book, DRAFT.fine.guidance, generator)
    settings = replace(DRAFT.fine, views=VIEWS, steps=10, pixels=48, light=replace(DRAFT.fine.light, lit=1.0))
    fine = FineStage(settings, surface, texture, guide, guide, WarpRasteriser(), 1, ranks, turns)
    found |= one_step("fine", fine)
    for _ in range(2):
        fine.advance()
    found |= {f"fine later {n}": one.detach().clone() for n, one in enumerate(parameters(fine))}
    return found


def one_step(name: str, stage: Stage) -> dict[str, Tensor]:
    stage.advance()
    return {f"{name} {n}": one.grad.clone() for n, one in enumerate(parameters(stage)) if one.grad is not None}


def parameters(stage: Stage) -> list[Tensor]:
    return [one for group in stage.optimiser.param_groups for one in group["params"]]


if __name__ == "__main__":
    meeting, rank, world, output = sys.argv[1:]
    together = Ranks.join(Path(meeting), int(rank), int(world), CPU)
    torch.save(gradients(together), output)
    together.leave()
