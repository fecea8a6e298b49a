# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is measured on one object, and the summary of many: the numbers of the quality benchmark.

An object is a delivered mesh beside its procedural truth. The retrieval measure needs all objects together, so each
object only leaves the pictures by which it will be judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from backend.embedded.objects import ProceduralObject, render
from backend.embedded.scorer import Scorer
from backend.embedded.scorer.stock import names_of
from backend.geometry import compare, health
from backend.render.cameras import DEFAULT_DISTANCE, orbit
from tests.benchmarks import measures
from tests.benchmarks.subjects import Subject, pictures

AGREEMENT_AZIMUTHS = tuple(30.0 * step for step in range(12))
AGREEMENT_ELEVATION = 20.0
AGREEMENT_PIXELS = 64

# The judge's views, azimuth and elevation in degrees: between the main views, and half of them from above 50 degrees,
# which no preset's cameras reach (see the `elevation` ranges in `backend/jobs/presets.py`).
JUDGE_VIEWS = tuple((22.5 + 45.0 * step, 12.0 if step % 2 == 0 else 55.0) for step in range(8))
JUDGE_PIXELS = 96
JUDGE_GROUNDS = (0.75, 0.45)

SHEET_AZIMUTHS = (30.0, 120.0, 210.0, 300.0)
SHEET_ELEVATION = 20.0
SHEET_PIXELS = 112

F_SCORE_SHARE = 0.05
"""A point is found when the other surface is within this share of the truth's bounding-box diagonal."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One object after its measures.

    figures: plain values for the report. judge_views: (V, H, W, 3) float32 for the scorer. sheet_views: (4, H, W, 4).
    """

    figures: dict[str, Any]
    judge_views: np.ndarray
    sheet_views: np.ndarray


def cameras(azimuths: Sequence[float], elevations: Sequence[float] | float, pixels: int):  # noqa: ANN201
    """Default framing at angles in degrees."""
    azimuth = torch.tensor(azimuths, dtype=torch.float32).deg2rad()
    elevation = torch.tensor(elevations, dtype=torch.float32).deg2rad().expand_as(azimuth)
    return orbit(azimuth, elevation, DEFAULT_DISTANCE, size=pixels)


def headlight(azimuths: Sequence[float], right: float = 35.0, up: float = 40.0) -> torch.Tensor:
    """Unit vectors (B, 3) in the world towards a light `right` degrees beside the camera and `up` degrees high."""
    turn = torch.tensor(azimuths, dtype=torch.float32).deg2rad() + math.radians(right)
    high = math.radians(up)
    flat = math.cos(high)
    return torch.stack([turn.sin() * flat, -turn.cos() * flat, torch.full_like(turn, math.sin(high))], dim=-1)


def truth_pictures(thing: ProceduralObject, azimuths: Sequence[float], elevation: float, size: int) -> np.ndarray:
    """(B, H, W, 4) float32: the truth, traced, as albedo."""
    count = len(azimuths)
    turn = np.radians(np.asarray(azimuths))
    albedo, _ = render([thing] * count, turn, np.full(count, math.radians(elevation)), np.ones(count), size, samples=3)
    return albedo.numpy().astype(np.float32) / 255.0


def judge(subject: Subject, thing: ProceduralObject, truth: Subject, seed: int) -> Judged:
    """Measures one object against its truth. `seed` draws the surface points of the shape measures."""
    around = pictures(subject, cameras(AGREEMENT_AZIMUTHS, AGREEMENT_ELEVATION, AGREEMENT_PIXELS))
    right = truth_pictures(thing, AGREEMENT_AZIMUTHS, AGREEMENT_ELEVATION, AGREEMENT_PIXELS)
    colour = measures.colour_error(around, right)
    sides = measures.view_agreement(around, right, np.array(AGREEMENT_AZIMUTHS))
    figures: dict[str, Any] = {
        **shape_figures(subject, thing, truth, seed),
        "delta_e": colour.mean,
        "delta_e_of_means": colour.of_means,
        "common_mask": colour.common,
        "views_right": sides.main_right,
        "azimuth_error_degrees": sides.azimuth_error,
        "janus": sides.janus,
        "views_telling": sides.telling,
        "sides_agree": sides.agrees,
        "health": health_figures(subject),
    }
    return Judged(figures, judge_pictures(subject), sheet_pictures(subject))


def judge_pictures(subject: Subject) -> np.ndarray:
    """(V, H, W, 3) float32: what the scorer sees, every other view lit, over two greys."""
    azimuths = [azimuth for azimuth, _ in JUDGE_VIEWS]
    light = headlight(azimuths)
    light[[index for index in range(len(JUDGE_VIEWS)) if index // 2 % 2 == 0]] = 0.0
    seen = pictures(subject, cameras(azimuths, [elevation for _, elevation in JUDGE_VIEWS], JUDGE_PIXELS), light)
    grounds = np.resize(np.array(JUDGE_GROUNDS, np.float32), len(seen))[:, None, None, None]
    return seen[..., :3] * seen[..., 3:] + grounds * (1.0 - seen[..., 3:])


def sheet_pictures(subject: Subject) -> np.ndarray:
    """(4, H, W, 4) float32: the lit views of the contact sheets."""
    return pictures(subject, cameras(SHEET_AZIMUTHS, SHEET_ELEVATION, SHEET_PIXELS), headlight(SHEET_AZIMUTHS))


def shape_figures(subject: Subject, thing: ProceduralObject, truth: Subject, seed: int) -> dict[str, float]:
    raise NotImplementedError


def health_figures(subject: Subject) -> dict[str, Any]:
    raise NotImplementedError
