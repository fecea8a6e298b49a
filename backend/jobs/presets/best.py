# SPDX-License-Identifier: GPL-3.0-or-later
"""`best`: one GPU without hurry; `standard` with what the papers say of quality."""

from __future__ import annotations

from dataclasses import replace

from backend.jobs.presets.paper import PAPER
from backend.jobs.presets.stages import Finish, Guidance, Ramp
from backend.jobs.presets.standard import STANDARD

BEST = replace(
    STANDARD,
    name="best",
    # [ours] without hurry, and not measured yet: what the papers and [TS] say of quality, on one GPU. Perp-Neg for one
    # front, a variational fine stage for colours that plain score distillation washes out or burns.
    coarse=replace(
        STANDARD.coarse,
        steps=5000,  # [M3D]
        grid=PAPER.coarse.grid,
        samples=512,  # [TS]
        guidance=replace(STANDARD.coarse.guidance, scale=100.0, perp_neg=True),  # [M3D] scale
    ),
    fine=replace(
        STANDARD.fine,
        steps=6000,
        views=2,  # the student sees the same views once more; its passes take the place of two
        # [VSD] section 4: guidance of 7.5, as for pictures
        guidance=Guidance(form="variational", scale=7.5, weighting="sigma2", t_min=0.02, t_max=Ramp(0.5, 0.3)),
        detail_grid=PAPER.fine.detail_grid,
    ),
    finish=Finish(faces=60_000, texture=4096),
)
