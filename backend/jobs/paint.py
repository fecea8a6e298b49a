# SPDX-License-Identifier: GPL-3.0-or-later
"""The finished mesh painted anew: the priors of both stages draw it from all around, and the views agree on a texture.

Score distillation averages what a prior imagines at every step, so patterns (spots, checks, the pillow on a bed) fade
although the prior knows them. Here it draws pictures in the ordinary way, of a shape that stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from backend.geometry.mesh import Mesh
from backend.jobs.finish import Asset
from backend.jobs.guide import Voice
from backend.jobs.presets import Paint, Stroke
from backend.priors.base import PriorTraits
from backend.priors.embedded import EmbeddedPrior
from backend.render.raster import Rasteriser
from backend.texturing.paint import Pass, paint
from backend.texturing.painted import Ground
from backend.texturing.rig import Frame, ring
from backend.texturing.together import Denoising, Show

# [ours] An embedded prior that is shown the shape lays out patterns where they belong, and wants them kept: with the
# presets' numbers, which were found for unshown ones, the second pass paints small pale spots over.
SHOWN_SCALES = 2.5, 2.0
SHOWN_BEGIN = 0.2
# [ours] What the painting prior draws one after the other: pixels, noise level to begin at, share of the broad
# stroke's steps, guidance. Begun at 32 px, spots on thin bodies run together; more guidance turns wood red, gold dark.
PAINTER = (64, 1.0, 1.0, 1.5), (128, 0.3, 0.25, 1.0)
USUAL = PriorTraits.usual_scale  # Stable Diffusion's, beside which the strokes' scales stand


def repaint(
    asset: Asset,
    broad: Voice,
    sharp: Voice,
    settings: Paint,
    rasteriser: Rasteriser,
    seed: int,
    tell: Callable[[float, str], None],
    show: Show,
) -> Asset:
    """The asset with another base colour. Its mesh and UVs stay; `tell` reports and may raise Cancelled, `show` gets
    the views as they become clear."""
    # Unshown: what text to 3D makes was measured with the plain priors, which know the kinds of thing by themselves.
    passes = passes_of(broad, sharp, settings, shape=0.0)
    frame = Frame.of(asset.mesh.vertices)
    mesh = Mesh(frame.vertices(asset.mesh.vertices), asset.mesh.faces, asset.mesh.uvs)
    texels = None if asset.texels is None else replace(asset.texels, points=frame.vertices(asset.texels.points))
    together = max(one.prior.traits.views_together for one in passes)
    cameras = ring(settings.views, above=60.0 if together == 1 else 0.0).to(broad.prior.device)
    size = asset.base_colour.shape[0]
    ground = Ground(asset.base_colour) if settings.broad.begin < 1.0 else None
    generator = torch.Generator().manual_seed(seed)
    painted = paint(mesh, cameras, passes, size, rasteriser, generator, tell, ground=ground, texels=texels,
                    show=show)
    return replace(asset, base_colour=painted.image, facts={**asset.facts, "paint": painted.report})


def passes_of(
    broad: Voice, sharp: Voice, settings: Paint, strength: float = 1.0, shape: float = 1.0
) -> list[Pass]:
    """The turns of both priors, or of the one that serves as both. `strength` (0..1) below 1 begins at less noise, so
    that more of what is there stays. shape: how strongly control networks speak (see `Denoising`)."""
    if isinstance(broad.prior, EmbeddedPrior) and broad.prior.paints:
        return _painter_passes(broad, settings.broad.steps, strength, shape)
    first, second = settings.broad, settings.sharp
    if shape > 0 and isinstance(broad.prior, EmbeddedPrior) and broad.prior.control is not None:
        first = replace(first, scale=SHOWN_SCALES[0])
        steps = max(2, round(second.steps * SHOWN_BEGIN / second.begin))
        second = replace(second, steps=steps, begin=SHOWN_BEGIN, scale=SHOWN_SCALES[1])
    passes = [_pass(broad, first, strength, shape)]
    if sharp.prior is not broad.prior:
        passes.append(_pass(sharp, second, strength, shape))
    return passes


def _painter_passes(voice: Voice, steps: int, strength: float, shape: float) -> list[Pass]:
    """The painting prior's turns, but for those that a later one makes idle: where `strength` begins at no more noise
    than the next turn, a smaller picture would only blur what stays."""
    passes = []
    for (size, begin, share, scale), following in zip(PAINTER, [*PAINTER[1:], None], strict=True):
        if following is not None and strength <= following[1]:
            continue
        level = min(begin, strength)
        count = max(2, round(steps * share * level / begin))
        passes.append(Pass(voice.prior.at(size), voice.book, Denoising(count, level, scale, shape=shape)))
    return passes


def _pass(voice: Voice, stroke: Stroke, strength: float, shape: float) -> Pass:
    traits = voice.prior.traits
    scale = stroke.scale if isinstance(voice.prior, EmbeddedPrior) else stroke.open_scale * traits.usual_scale / USUAL
    # A weaker pass has fewer levels to go through; each step goes down as far as in a full one.
    begin = min(stroke.begin, strength)
    steps = max(2, round(stroke.steps * begin / stroke.begin))
    return Pass(voice.prior, voice.book, Denoising(steps, begin, scale, shape=shape))
