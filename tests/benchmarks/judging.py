# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is measured on one object, and the summary of many: the numbers of the quality benchmark.

An object is a delivered mesh beside its procedural truth. The retrieval measure needs all objects together, so each
object only leaves the pictures by which it will be judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from backend.embedded.objects import ProceduralObject, render
from backend.embedded.objects.meshing import mesh
from backend.geometry.compare import compare
from backend.geometry.health import check
from backend.geometry.mesh import Mesh
from backend.geometry.unwrap import measure
from backend.render.cameras import DEFAULT_DISTANCE, Cameras, orbit
from tests.benchmarks import measures
from tests.benchmarks.subjects import Subject, normalised, pictures

AGREEMENT_AZIMUTHS = tuple(30.0 * step for step in range(12))
AGREEMENT_ELEVATION = 20.0
AGREEMENT_PIXELS = 64

# The judge's views, azimuth and elevation in degrees: between the main views, and half of them from above 50 degrees,
# which no preset's cameras reach (see the `elevation` ranges in `backend/jobs/presets`).
JUDGE_VIEWS = tuple((22.5 + 45.0 * step, 12.0 if step % 2 == 0 else 55.0) for step in range(8))
JUDGE_PIXELS = 96
JUDGE_GROUNDS = (0.75, 0.45)

SHEET_AZIMUTHS = (30.0, 120.0, 210.0, 300.0)
SHEET_ELEVATION = 20.0
SHEET_PIXELS = 112

TRUTH_RESOLUTION = 128


@dataclass(frozen=True, eq=False)
class Judged:
    """One object after its measures.

    figures: plain values for the report. judge_views: (V, H, W, 3) float32 for the scorer. sheet_views: (4, H, W, 4).
    """

    figures: dict[str, Any]
    judge_views: np.ndarray
    sheet_views: np.ndarray


def cameras(azimuths: Sequence[float], elevations: Sequence[float] | float, pixels: int) -> Cameras:
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


def judge(subject: Subject, thing: ProceduralObject, seed: int) -> Judged:
    """Measures one object against its truth. `seed` draws the surface points of the shape measures."""
    around = pictures(subject, cameras(AGREEMENT_AZIMUTHS, AGREEMENT_ELEVATION, AGREEMENT_PIXELS))
    right = truth_pictures(thing, AGREEMENT_AZIMUTHS, AGREEMENT_ELEVATION, AGREEMENT_PIXELS)
    colour = measures.colour_error(around, right)
    sides = measures.view_agreement(around, right, np.array(AGREEMENT_AZIMUTHS))
    figures: dict[str, Any] = {
        **shape_figures(subject, thing, seed),
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


def truth_subject(thing: ProceduralObject) -> Subject:
    """The true object as a mesh with vertex colours, normalised as a delivered mesh is."""
    vertices, faces, colours = mesh(thing, TRUTH_RESOLUTION)
    return Subject(normalised(vertices), faces, colours=colours)


def shape_figures(subject: Subject, thing: ProceduralObject, seed: int) -> dict[str, float]:
    """F-score and volume IoU against the truth after alignment (turn about Z, shift, size), and the alignment itself.

    The alignment forgives an object that faces the wrong way; the view figures do not.
    """
    truth = truth_subject(thing)
    found = compare(Mesh(subject.vertices, subject.faces), Mesh(truth.vertices, truth.faces), seed=seed)
    return {
        "f_score": found.f_score,
        "precision": found.precision,
        "recall": found.recall,
        "iou": found.iou,
        "chamfer": found.chamfer,
        "normal_agreement": found.normal_agreement,
        "aligned_turn_degrees": math.degrees(found.angle),
        "aligned_scale": found.scale,
    }


def health_figures(subject: Subject) -> dict[str, Any]:
    """Whether the mesh is fit to hand over, and how its UVs use the texture (None where it has none)."""
    found = check(subject.vertices, subject.faces)
    figures: dict[str, Any] = {
        **found.to_map(),
        "outward": found.mismatched_edges == 0 and found.inward_parts == 0,
    }
    if subject.uvs is None or subject.texture is None:
        return figures
    size = subject.texture.shape[0]
    uv = measure(Mesh(subject.vertices, subject.faces, uvs=subject.uvs), size)
    covered = max(uv.utilisation * size * size, 1.0)
    return {
        **figures,
        "charts": uv.charts,
        "uv_overlap": uv.overlap_texels / covered,
        "uv_used": uv.utilisation,
        "uv_flipped_faces": uv.flipped_faces,
        "uv_stretch": uv.stretch,
        "texel_density": uv.texel_density,
        "texel_spread": uv.density_spread,
        "texture_size": size,
    }
