# SPDX-License-Identifier: GPL-3.0-or-later
"""The same three verbs for a picture: continued without words, or painted by a prior that sees what is known.

A prior draws pictures of one size, so the hole is cut out with what surrounds it, drawn at that size, and brought
back; pixels outside the mask are never touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt
from torch.nn import functional

from backend.geometry.bake import to_bytes
from backend.inpainting import inpainter_of
from backend.jobs import memory
from backend.jobs.context import JobContext
from backend.jobs.guide import Voice
from backend.jobs.inpaint_input import extent_problem, read_colour, read_mask
from backend.jobs.paint import passes_of
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews, png
from backend.jobs.prompt import Notes, read_prompt
from backend.jobs.stopwatch import Stopwatch
from backend.texturing.flat import flat_canvas, without_shape
from backend.texturing.together import Held, Tell, denoise_together
from protocol.errors import BadRequest
from protocol.specs import InpaintSpec

CONTEXT = 0.5  # known margin around a hole, as a share of the hole's larger side
LEAST_CONTEXT = 16  # pixels
THUMBNAIL = 256  # pixels
REMAINS = 0.7  # strength of a removal with words, as on meshes


def inpaint_picture(
    spec: InpaintSpec, preset: Preset, seed: int, context: JobContext, watch: Stopwatch, notes: Notes,
    previews: Previews,
) -> tuple[dict[str, NDArray[Any]], dict[str, Any], tuple[Voice, Voice] | None]:
    """(arrays, facts for the report, voices that had a say). Raises BadRequest."""
    from backend.jobs.inpaint import composed

    with watch.stage("read the selection", "reading the picture and its mask"):
        picture, opacity = read_colour(context.inputs, "picture")
        hole, fresh = _selected(spec, context, picture)
    voices = None
    with watch.stage("read the prompt", spec.prompt):
        if spec.words:
            plan = notes.planned(memory.plan_painting(spec.prior, context, 1))
            voices = read_prompt(spec.prompt, spec.negative_prompt, spec.prior, context, notes, spec, plan)
    facts: dict[str, Any] = {"changed_pixels": int(hole.sum()), "changed_share": round(float(hole.mean()), 4)}
    with watch.stage("paint", "making it anew") as tell:
        made = picture
        if voices is None or spec.verb == "remove":
            inpainter = inpainter_of(spec.inpainter, context.device)
            made = to_bytes(inpainter.fill(picture.astype(np.float32) / 255.0, hole))
            facts["inpainter"] = inpainter.name
        if voices is not None:
            strength = spec.strength * (REMAINS if spec.verb == "remove" else 1.0)
            made = _drawn(made, hole, voices, preset, strength, seed, tell, previews)
    with watch.stage("deliver", "writing the picture"):
        whole = composed(picture, made, fresh, opacity)
        small = Image.fromarray(np.ascontiguousarray(whole[..., :3]))
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        arrays: dict[str, NDArray[Any]] = {"picture": png(whole), "thumbnail": png(np.asarray(small))}
    return arrays, {"inpaint": facts, "size": [picture.shape[1], picture.shape[0]]}, voices


def _selected(
    spec: InpaintSpec, context: JobContext, picture: NDArray[np.uint8]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """((H, W) bool what is made anew, (H, W) how much of the new each pixel takes)."""
    chosen = read_mask(context.inputs, picture.shape, "picture")
    assert chosen is not None
    if spec.grow and chosen.any() and not chosen.all():
        change = binary_dilation if spec.grow > 0 else binary_erosion
        edge = {} if spec.grow > 0 else {"border_value": 1}
        chosen = change(chosen, iterations=abs(spec.grow), **edge)
    problem = extent_problem(spec, int(chosen.sum()), chosen.size)
    if problem is not None:
        raise BadRequest(problem, path="inputs.mask", hint="Paint the mask white where the selection is.")
    hole = ~chosen if spec.verb == "replace" else chosen
    fresh = hole.astype(np.float32)
    if spec.feather and not hole.all():
        share = np.clip(distance_transform_edt(hole) / spec.feather, 0, 1)
        fresh = (share * share * (3 - 2 * share)).astype(np.float32)
    return hole, fresh


def _drawn(
    picture: NDArray[np.uint8], hole: NDArray[np.bool_], voices: tuple[Voice, Voice], preset: Preset, strength: float,
    seed: int, tell: Tell, previews: Previews,
) -> NDArray[np.uint8]:
    """(H, W, 3) with what the priors draw in the hole's surroundings."""
    rows, columns = _cutting(hole)
    device = voices[0].prior.device
    cut = torch.from_numpy(picture[rows, columns].astype(np.float32) / 255.0).permute(2, 0, 1)[None].to(device)
    gap = torch.from_numpy(hole[rows, columns].astype(np.float32))[None, None].to(device)
    generator = torch.Generator().manual_seed(seed)
    drawn: torch.Tensor | None = None
    passes = passes_of(*voices, preset.paint, strength)
    for number, one in enumerate(passes):
        size = one.prior.traits.resolution
        canvas = flat_canvas(size, device)
        known, open_ = _sized(cut, size), _sized(gap, size)
        colours = known[0].flatten(1).T.contiguous()
        keep = 1.0 - (open_[0, 0].flatten() > 0.02).float()
        start = colours
        if drawn is not None:
            fresh = _sized(drawn[:, :3], size)[0].flatten(1).T
            start = torch.where(keep[:, None] > 0, colours, fresh)

        def told(share: float, message: str, number: int = number, name: str = one.prior.traits.name) -> None:
            tell((number + share) / len(passes), f"{name}, {message}")

        drawn = denoise_together(without_shape(one.prior), one.book, canvas, one.denoising, start, generator, told,
                                 Held(colours, keep, torch.zeros_like(keep)), previews.of_pictures)
    assert drawn is not None
    whole = functional.interpolate(drawn[:, :3], size=cut.shape[-2:], mode="bicubic", align_corners=False,
                                   antialias=True)
    made = picture.copy()
    made[rows, columns] = to_bytes(whole[0].permute(1, 2, 0).cpu().numpy())
    return made


def _cutting(hole: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The part of the picture that is drawn: the hole with its surroundings, as square as the picture allows."""
    found = [np.flatnonzero(hole.any(1 - axis)) for axis in (0, 1)]
    extent = max(int(one[-1] - one[0]) + 1 for one in found)
    side = extent + 2 * max(LEAST_CONTEXT, round(CONTEXT * extent))
    cut = []
    for one, whole in zip(found, hole.shape, strict=True):
        length = min(side, whole)
        begin = int(np.clip((int(one[0]) + int(one[-1]) + 1 - length) // 2, 0, whole - length))
        cut.append(slice(begin, begin + length))
    return cut[0], cut[1]


def _sized(pictures: torch.Tensor, size: int) -> torch.Tensor:
    return functional.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
