# SPDX-License-Identifier: GPL-3.0-or-later
"""Sculpting a dressed figure under guidance, with AvatarCLIP's augmentations (Hong et al. 2022, section 3.3).

The surface is on a leash around the figure that the words dressed (its reconstruction term for the shape), and
colours are drawn back to the figure's. Every few steps a camera looks at the face and the prior is asked about "the
face of ..."; from behind it is asked about "the back of ...". Backgrounds and lights are drawn anew for every step, so
that nothing of the figure is explained by them. Everything else is the fine stage's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.fields.texture import TextureField
from backend.geometry.regularisers import normal_consistency
from backend.jobs.edit_stage import LeashedSurface
from backend.jobs.fine import render_surface
from backend.jobs.guide import Guide, Opinion, Seen, Voice
from backend.jobs.presets import AvatarSculpt, Fine, Guidance
from backend.jobs.stage import Stage
from backend.priors.control import controlled
from backend.priors.prompts import PromptBook
from backend.render.cameras import DEFAULT_FOV, Cameras, orbit
from backend.render.geometry import see_geometry
from backend.render.raster import Rasteriser

FACE_SPREAD = math.pi / 12  # [AvatarCLIP] of the face camera's directions around the front
LIGHT_SPREAD = math.pi / 4  # [AvatarCLIP] of the light around the camera's direction
MOST_AMBIENT = 0.2  # [AvatarCLIP]
CHECKS = (10, 19)  # [AvatarCLIP] squares along a side of the chessboard
BACK = math.pi / 2  # azimuth beyond which the back's prompt is used


@dataclass(frozen=True)
class Texts:
    """The prompt for each sort of view, in the wording of AvatarCLIP."""

    whole: str
    face: str
    back: str

    @classmethod
    def of(cls, prompt: str) -> Texts:
        said = prompt.strip().rstrip(".")
        return cls(said, f"the face of {said}", f"the back of {said}")


class SculptStage(Stage["tuple[Guide, Opinion]"]):
    """A dressed surface and its colours under optimisation; `advance` answers who was asked and the opinion.

    surface: on its leash. texture: begins as the figure's colours. anchor: places (N, 3) of the start with their
    colours (N, 3). head: (centre (3,), radius) in field units. texts: what each sort of view is asked about.
    """

    def __init__(
        self, settings: AvatarSculpt, fine: Fine, guidance: Guidance, surface: LeashedSurface, texture: TextureField,
        anchor: tuple[Tensor, Tensor], head: tuple[Tensor, float], voice: Voice, texts: Texts, rasteriser: Rasteriser,
        seed: int,
    ):
        self.settings, self.fine = settings, fine
        self.surface, self.texture, self.anchor, self.head = surface, texture, anchor, head
        self.rasteriser = rasteriser
        self._chance = torch.Generator().manual_seed(seed + 1)
        negative = voice.book.negative_prompt
        prior = voice.prior
        books = {"whole": voice.book, "face": PromptBook(prior, texts.face, negative)}
        # A prior that is told the camera knows that it looks at a back.
        books["back"] = voice.book if prior.traits.knows_camera else PromptBook(prior, texts.back, negative)
        self._books, self._prior, self._guidance = books, prior, guidance
        super().__init__(
            "sculpt", settings.steps,
            {"texture": (texture, settings.learning_rate), "surface": (surface, settings.surface_learning_rate)}, {},
            0.7, torch.Generator().manual_seed(seed), also=[self._chance],
        )

    def loss(self) -> tuple[Tensor, tuple[Guide, Opinion]]:
        """Guidance of one sort of view, and the ways back."""
        settings = self.settings
        vertices, faces = self.surface.surface()
        kind, cameras = self._look()
        seen = render_surface(self.texture, vertices, faces, cameras, self.rasteriser, with_normals=True)
        prior = self._prior
        if getattr(prior, "control", None) is not None:
            prior = controlled(prior, self._geometry(vertices, faces, kind, cameras))
        guide = Guide(prior, self._books[kind], self._guidance, self._chance)
        shading = self._light(cameras, prior.traits.knows_light)
        lit = seen
        if shading is not None:
            ambient = MOST_AMBIENT * float(torch.rand((), generator=self.generator))
            lit = guide.light(seen, cameras, replace(self.fine.light, ambient=ambient), shading)
        images = prior.pack_composited(lit.colour + (1 - lit.opacity) * self._background(lit), lit.opacity)
        opinion = guide.judge(images, guide.view(cameras, shading), self.share)
        loss = settings.weight * opinion.loss + settings.smooth * normal_consistency(vertices, faces)
        places, colours = self.anchor
        some = torch.randint(len(places), (4096,), generator=self.generator).to(places.device)
        loss = loss + settings.keep_colour * (self.texture.colour(places[some]) - colours[some]).abs().mean()
        back = (self.surface.change / self.surface.grid.cell_size).square().mean()
        return loss + settings.keep_shape * back, (guide, opinion)

    def _look(self) -> tuple[str, Cameras]:
        """The sort of this step's view and its cameras."""
        settings, count, pixels = self.settings, self.settings.views, self.settings.pixels
        device = self.surface.start.sdf.device
        draw = torch.randn(2, count, generator=self.generator)
        if self.step % settings.face_every == settings.face_every - 1:
            centre, radius = self.head
            scale = radius / 0.9
            cameras = orbit(FACE_SPREAD * draw[0], FACE_SPREAD * draw[1].clamp(-2, 2), 3.0 * scale, DEFAULT_FOV, pixels,
                            target=torch.zeros(count, 3))
            pose = cameras.camera_to_world.clone()
            pose[:, :3, 3] += centre
            # To the prior a head alone is a thing of its own, framed like any other.
            return "face", replace(cameras, camera_to_world=pose, zoom=cameras.zoom / scale).to(device)
        behind = self.step % 2 == 1
        azimuth = (math.pi if behind else 0.0) + (math.pi / 3 * draw[0]).clamp(-BACK, BACK)
        elevation = (0.35 + 0.25 * draw[1]).clamp(-0.2, 0.9)
        zoom = 0.9 + 0.2 * torch.rand(count, generator=self.generator)
        cameras = orbit(azimuth, elevation, 3.0 * zoom, DEFAULT_FOV, pixels)
        return "back" if behind else "whole", cameras.to(device)

    def _geometry(self, vertices: Tensor, faces: Tensor, kind: str, cameras: Cameras) -> Any:
        """What a control network is shown; a head in the frame that heads were trained in."""
        placed, seen_from = vertices.detach(), cameras
        if kind == "face":
            centre, radius = self.head
            scale = radius / 0.9
            placed = (placed - centre.to(placed)) / scale
            pose = cameras.camera_to_world.clone()
            pose[:, :3, 3] = (pose[:, :3, 3] - centre.to(pose)) / scale
            seen_from = replace(cameras, camera_to_world=pose)
        return see_geometry(placed, faces.int().contiguous(), seen_from, self.rasteriser, self._prior.traits.resolution)

    def _light(self, cameras: Cameras, knows_light: bool) -> tuple[Tensor, bool] | None:
        """Directions of light around the camera's, and whether colours are hidden; every other step is unlit."""
        draws = torch.rand(2, generator=self.generator).tolist()
        if draws[0] < 0.5:
            return None
        spread = LIGHT_SPREAD * (2 * torch.rand(len(cameras), 3, generator=self.generator) - 1)
        directions = functional.normalize(functional.normalize(cameras.positions, dim=-1) + spread.to(cameras.device),
                                          dim=-1)
        return directions, not knows_light and draws[1] < 0.5

    def _background(self, seen: Seen) -> Tensor | float:
        """White, black, noise or a blurred chessboard, (B, H, W, 3) or one number; grey for priors with alpha."""
        if self._prior.traits.channels != "rgb":
            return 0.5
        shape = seen.colour.shape
        kind = int(torch.randint(4, (), generator=self.generator))
        if kind < 2:
            return float(kind)
        if kind == 2:
            return (0.5 + 0.2 * torch.randn(shape, generator=self.generator)).clamp(0, 1).to(seen.colour.device)
        squares = int(torch.randint(*CHECKS, (), generator=self.generator))
        row = (torch.arange(shape[1]) * squares // shape[1]) % 2
        board = 0.2 + 0.6 * ((row[:, None] + row[None]) % 2).float()
        soft = functional.avg_pool2d(board[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
        return soft[None, :, :, None].expand(shape).to(seen.colour.device)
