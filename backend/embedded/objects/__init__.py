# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural objects with captions: what the embedded prior is trained on, and the truth it is measured against.

rng = numpy.random.default_rng(seed)
objects = [sample(rng) for _ in range(64)]               # training split
words = [o.captions(rng, 1)[0] for o in objects]
albedo, normal = render(objects, azimuth, elevation, zoom, size=32, device="cpu")
picture = over_grey(shade(albedo, normal, light))        # (B, 32, 32, 4): rgb over grey, alpha
"""

from .captions import captions, known_words, plain_caption
from .catalogue import FAMILIES, KINDS, build
from .model import RADIUS, ProceduralObject
from .recipe import Kind, Recipe
from .sampling import held_out_prompts, is_held_out, sample, sample_recipe
from .shading import AMBIENT, linear_to_srgb, over_grey, shade, srgb_to_linear
from .tracer import evaluate, interior, render, render_with_positions
from .vocabulary import CORE, FULL, Vocabulary

__all__ = [
    "AMBIENT",
    "CORE",
    "FAMILIES",
    "FULL",
    "KINDS",
    "RADIUS",
    "Kind",
    "ProceduralObject",
    "Recipe",
    "Vocabulary",
    "build",
    "captions",
    "evaluate",
    "held_out_prompts",
    "interior",
    "is_held_out",
    "known_words",
    "linear_to_srgb",
    "over_grey",
    "plain_caption",
    "render",
    "render_with_positions",
    "sample",
    "sample_recipe",
    "shade",
    "srgb_to_linear",
]
