# SPDX-License-Identifier: GPL-3.0-or-later
"""The three ways in which an inpaint job makes texels anew: continued without words, painted in views, distilled.

Each takes what came in and gives a whole texture; what of it counts is decided by the recipe, which takes the texels
of the selection and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.geometry.mesh import face_normals
from backend.inpainting import inpainter_of
from backend.inpainting.surface import WIDER, continue_surface
from backend.jobs.guide import Seen, Voice
from backend.jobs.inpaint_input import InpaintInput
from backend.jobs.paint import passes_of
from backend.jobs.presets import Preset
from backend.jobs.previews import Previews
from backend.jobs.texture import KNOWN_ELEVATIONS, views_together
from backend.jobs.texture_stage import TextureStage, distil
from backend.priors.embedded import EmbeddedPrior
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from backend.texturing.canvas import NothingSeen
from backend.texturing.paint import paint
from backend.texturing.painted import Ground
from backend.texturing.projection import Projector
from backend.texturing.rig import COARSE, Samples, coverage, facing, ring
from backend.texturing.textured import pictures_of
from protocol.errors import BadRequest
from protocol.specs import InpaintSpec

Tell = Callable[[float, str], None]
Made = tuple[NDArray[np.uint8], dict[str, Any]]
"""(texture (S, S, 3), facts for the report)."""

LOOKED_AT = 4000  # texels by which it is judged whether cameras see a selection
FACING = 4  # views before a selection, where nobody says how many
REMAINS = 0.7  # strength of a removal with words: it starts from what surrounds the hole, and should not leave it


def continued(
    spec: InpaintSpec, given: InpaintInput, rasteriser: Rasteriser, device: torch.device, tell: Tell, previews: Previews
) -> Made:
    """What surrounds the selection goes on over it."""
    found = continue_surface(
        given.mesh, given.texels, given.picture, given.hole, inpainter_of(spec.inpainter, device), rasteriser, device,
        tell, views=spec.views, cameras=_asked_rig(spec, given, rasteriser, device), two_sided=given.two_sided,
        show=previews.of_pictures,
    )
    return found.image, found.facts


def painted(
    spec: InpaintSpec, preset: Preset, given: InpaintInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser,
    seed: int, tell: Tell, previews: Previews,
) -> Made:
    """Views that are denoised together, in which all known texels are imposed at every step."""
    device = voices[0].prior.device
    strength, begin, share = spec.strength, given.picture, 0.0
    facts: dict[str, Any] = {}
    if spec.verb == "remove":
        # A removal may not begin with what it removes.
        share = 0.3
        begin, facts["before"] = continued(spec, given, rasteriser, device, lambda s, m: tell(share * s, m), previews)
        strength = REMAINS * spec.strength
    cameras = rig_of(spec, given, voices, rasteriser)
    together = views_together(voices)
    result = paint(
        given.mesh, cameras, passes_of(*voices, preset.paint, strength), len(given.picture), rasteriser,
        torch.Generator().manual_seed(seed), lambda s, m: tell(share + (1 - share) * s, m),
        ground=Ground(begin, ~given.hole), at_once=-(-spec.at_once // together) * together,
        two_sided=given.two_sided, texels=given.texels, show=previews.of_pictures,
    )
    return result.image, {**facts, **result.report}


def distilled(
    spec: InpaintSpec, preset: Preset, given: InpaintInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser,
    seed: int, tell: Tell, previews: Previews,
) -> Made:
    """A colour field optimised where the selection is; the priors see it among the texels that stay."""
    stage = HeldStage(preset, given, voices, rasteriser, seed, spec.strength)
    texels = given.texels
    stage.begin(texels.points, given.picture[texels.rows, texels.columns].astype(np.float32) / 255.0)
    distil(stage, tell, previews)
    return stage.baked(texels), {"steps": stage.steps, "recoveries": stage.recoveries, "texels": len(texels.points)}


class HeldStage(TextureStage):
    """A texture under distillation of which only a part is the field's; the rest looks as it does."""

    def __init__(
        self, preset: Preset, given: InpaintInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser, seed: int,
        strength: float,
    ):
        super().__init__(preset, given.mesh, *voices, rasteriser, seed, strength)
        self.given = given

    def seen(self, cameras: Cameras) -> Seen:
        """The field where the selection is, the base colour elsewhere."""
        fresh = super().seen(cameras)
        kept = (~self.given.hole)[..., None].repeat(3, -1).astype(np.float32)
        known, _, _ = pictures_of(self.given.mesh, self.given.picture / 255.0, cameras, self.rasteriser, 1)
        share, _, _ = pictures_of(self.given.mesh, kept, cameras, self.rasteriser, 1)
        known, share = known.permute(0, 2, 3, 1), share.permute(0, 2, 3, 1)
        return Seen(fresh.colour * (1 - share) + known * share, fresh.opacity, fresh.normal)


def rig_of(
    spec: InpaintSpec, given: InpaintInput, voices: tuple[Voice, Voice], rasteriser: Rasteriser
) -> Cameras:
    """The cameras to paint from, on the priors' device. Raises BadRequest when none sees what is to change."""
    prior = voices[0].prior
    together = views_together(voices)
    cameras = _asked_rig(spec, given, rasteriser, prior.device)
    if cameras is None:
        part, count = _part(given), spec.views or max(FACING, together)
        known = isinstance(prior, EmbeddedPrior)
        # Ours knows whole objects in the default framing; others take a closer look.
        ways = [KNOWN_ELEVATIONS, (-90.0, 90.0)] if known else [(-90.0, 90.0)]
        for elevations in ways:
            try:
                cameras = facing(given.mesh, part, count, rasteriser, prior.device, elevations, given.two_sided,
                                 0.0 if known else WIDER)
                break
            except NothingSeen:
                continue
        else:
            raise BadRequest("No direction sees the selection: it lies inside of something.", path="inputs.selected",
                             hint="Use cameras that see it, or engine classical (verb remove, without a prompt).")
    # A prior of several views at once gets whole batches: the first cameras once more.
    missing = -len(cameras) % together
    return cameras[torch.arange(len(cameras) + missing) % len(cameras)] if missing else cameras


def _asked_rig(
    spec: InpaintSpec, given: InpaintInput, rasteriser: Rasteriser, device: torch.device
) -> Cameras | None:
    """The cameras that the user wants, None where they are to be chosen. Raises BadRequest when they see nothing of
    what is to change."""
    if spec.rig == "facing":
        return None
    if spec.rig == "turntable":
        cameras = ring(spec.views or 2 * FACING).to(device)
    elif given.cameras is not None:
        cameras = given.cameras.to(device)
    else:
        cameras = coverage(given.mesh, spec.views or 2 * FACING, rasteriser, device, two_sided=given.two_sided)
    points, normals, flat = (one[:: -(-len(one) // LOOKED_AT)] for one in _part(given))
    vertices, faces = torch.from_numpy(given.mesh.vertices).to(device), torch.from_numpy(given.mesh.faces).to(device)
    small = cameras.resized(COARSE, COARSE)
    looks = Projector(points, normals, flat, vertices, faces, small, rasteriser, given.two_sided, COARSE)
    if not bool(looks.facing().any()):
        raise BadRequest("None of the cameras sees what is selected.", path="inputs.cameras",
                         hint="Point a camera at the selection, or set `rig` to facing.")
    return cameras


def _part(given: InpaintInput) -> Samples:
    """(points, smooth normals, flat normals) of the texels that change."""
    texels, wanted = given.texels, given.wanted
    flat = face_normals(given.mesh.vertices, given.mesh.faces)[texels.face[wanted]].astype(np.float32)
    return texels.points[wanted], texels.normals[wanted], flat
