# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the scorer can be trusted: measured on the truth, where the right answers are known.

A judge that cannot match true objects to their prompts has no say about generated ones. So it is asked for its
R-precision on traced pictures of held-out prompts, and whether it turns down prompts in which one word is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backend.embedded.objects import (
    KINDS,
    ProceduralObject,
    Recipe,
    held_out_prompts,
    plain_caption,
    render,
    shade,
)
from backend.embedded.objects.palette import COLOURS, PATTERNS
from backend.embedded.objects.vocabulary import CORE
from backend.embedded.scorer.scorer import Scorer
from backend.embedded.scorer.stock import names_of


@dataclass(frozen=True)
class CheckSettings:
    """`prompts` held-out prompts, `views` views of each from evenly spread azimuths, every other one lit."""

    prompts: int = 50
    views: int = 8
    size: int = 96
    seed: int = 977

    def __post_init__(self) -> None:
        if self.prompts < 2 or self.views < 1:
            raise ValueError("at least two prompts and one view are needed")


@dataclass(frozen=True)
class Trust:
    """What was measured; shares are 0..1.

    Attributes:
        r_precision: share of objects that find their own prompt among all, from all views together.
        r_precision_one_view: the same from a single view, mean over views.
        worst_rank: the lowest place that an object's own prompt took.
        kind_right, colour_right, pattern_right: share of objects whose heads name them right from all views.
        wrong_kind, wrong_colour, wrong_pattern: share of objects that prefer their own prompt to it with one word
            exchanged for every wrong one of its sort (all must lose).
        margin: mean difference of cosine between the own prompt and the best of the others.
    """

    prompts: int
    r_precision: float
    r_precision_one_view: float
    worst_rank: int
    kind_right: float
    colour_right: float
    pattern_right: float
    wrong_kind: float
    wrong_colour: float
    wrong_pattern: float
    margin: float


def traced_views(things: Sequence[ProceduralObject], settings: CheckSettings) -> Tensor:
    """(M, V, S, S, 3) float32: traced pictures of objects over random plain backgrounds, every other one lit."""
    rng = np.random.default_rng(settings.seed)
    count = len(things) * settings.views
    turn = np.tile((np.arange(settings.views) + 0.5) * (2 * math.pi / settings.views), len(things))
    elevation = np.radians(np.tile(np.where(np.arange(settings.views) % 2 == 0, 12.0, 48.0), len(things)))
    albedo, normals = render(
        [thing for thing in things for _ in range(settings.views)], turn, elevation, np.ones(count), settings.size
    )
    light = np.stack([rng.uniform(-0.6, 0.6, count), rng.uniform(-0.2, 0.8, count), np.ones(count)], axis=1)
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    light[np.arange(count) // 2 % 2 == 0] = 0.0
    pictures = shade(albedo, normals, torch.from_numpy(light.astype(np.float32)))
    ground = torch.from_numpy(rng.uniform(0.2, 0.9, (count, 1, 1, 1)).astype(np.float32))
    mixed = pictures[..., :3] * pictures[..., 3:] + ground * (1.0 - pictures[..., 3:])
    return mixed.view(len(things), settings.views, *mixed.shape[1:])


def exchanged(recipe: Recipe, sort: str) -> list[str]:
    """Captions in which the kind, the colour or the pattern of `recipe` is exchanged for every other of its sort.

    A thing whose material brings its own colour has no colour to exchange; its pattern is exchanged for other
    materials, and that of a coloured thing for other patterns.
    """
    if sort == "kind":
        others = [replace(recipe, kind=name) for name in CORE.kinds if name != recipe.kind]
        others = [other for other in others if not _needs_accent(other) or KINDS[other.kind].accent]
    elif sort == "colour":
        taken = {recipe.colour, recipe.second}
        others = [replace(recipe, colour=name) for name in COLOURS if name not in taken] if recipe.colour else []
    else:
        known = ("plain", *CORE.patterns)
        alike = [name for name in known if (PATTERNS[name].own is None) == bool(recipe.colour)]
        others = [replace(recipe, pattern=name) for name in alike if name != recipe.pattern]
        others = [replace(other, second="") if _needs_accent(other) else other for other in others]
    return [plain_caption(other) for other in others]


def _needs_accent(recipe: Recipe) -> bool:
    """Whether the second colour can only be that of a named part, such as the wheels of a car."""
    return bool(recipe.second) and recipe.pattern == "plain"


def check_scorer(scorer: Scorer, settings: CheckSettings) -> Trust:
    """Measures the scorer on the truth of held-out prompts."""
    pairs = held_out_prompts(settings.prompts, settings.seed)
    prompts, things = [prompt for prompt, _ in pairs], [thing for _, thing in pairs]
    views = traced_views(things, settings)
    together = scorer.r_precision(views, prompts)
    singly = [scorer.r_precision(views[:, [view]], prompts).share for view in range(settings.views)]
    readings = [scorer.read_kind_colour(pictures, together=True)[0] for pictures in views]
    named = np.array(
        [
            [reading.kind == kind, reading.colour == colour, reading.pattern == pattern]
            for reading, (kind, colour, pattern) in zip(readings, map(names_of, things), strict=True)
        ]
    )
    refused: dict[str, list[bool]] = {"kind": [], "colour": [], "pattern": []}
    for prompt, thing, pictures in zip(prompts, things, views, strict=True):
        for sort, outcomes in refused.items():
            wrong = [other for other in exchanged(thing.recipe, sort) if other != prompt]
            if wrong:
                scores = scorer.similarity(pictures, [prompt, *wrong]).mean(dim=0)
                outcomes.append(bool(scores[0] > scores[1:].max()))
    others = together.scores.clone()
    others.fill_diagonal_(-2.0)
    return Trust(
        prompts=settings.prompts,
        r_precision=together.share,
        r_precision_one_view=float(np.mean(singly)),
        worst_rank=max(together.ranks),
        kind_right=float(named[:, 0].mean()),
        colour_right=float(named[:, 1].mean()),
        pattern_right=float(named[:, 2].mean()),
        wrong_kind=float(np.mean(refused["kind"])),
        wrong_colour=float(np.mean(refused["colour"])),
        wrong_pattern=float(np.mean(refused["pattern"])),
        margin=float((together.scores.diagonal() - others.max(dim=1).values).mean()),
    )
