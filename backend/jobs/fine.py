# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine stage: a deformable tetrahedral surface and its texture field, sharpened under a second prior.

Magic3D's second stage (Lin et al. 2023, section 4.2): the mesh is rasterised at a high resolution from close cameras,
antialiased silhouettes and shaded normals carry gradients to the shape, score distillation comes from a prior of higher
resolution with low noise levels only. Part of the steps may listen to the coarse prior, which has seen whole objects.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureField
from backend.geometry.regularisers import face_pairs, laplacian, normal_consistency, vertex_normals_of
from backend.jobs.coarse import MOST_RECOVERIES, SNAPSHOT_EVERY
from backend.jobs.guide import Guide, Opinion, Seen, fit
from backend.jobs.presets import Fine
from backend.jobs.views import sample_cameras, sample_shading
from backend.priors.views import ViewCondition
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from protocol.errors import TrainingDiverged

SIGN_TERM = 0.01  # weight of the sign-change entropy; keeps stray inner surfaces away, too small to move the outer one


class FineStage:
    """A surface and a texture under optimisation. `fine` is the high-resolution guide, `coarse` the first stage's."""

    def __init__(
        self,
        settings: Fine,
        surface: TetrahedralSDF,
        texture: TextureField,
        fine: Guide,
        coarse: Guide,
        rasteriser: Rasteriser,
        seed: int,
    ):
        self.settings = settings
        self.surface, self.texture = surface, texture
        self.fine, self.coarse = fine, coarse
        self.rasteriser = rasteriser
        self.generator = torch.Generator().manual_seed(seed)
        self.optimiser = torch.optim.Adam(
            [
                {"params": texture.parameters(), "lr": settings.learning_rate, "rate": settings.learning_rate},
                {
                    "params": surface.parameters(),
                    "lr": settings.surface_learning_rate,
                    "rate": settings.surface_learning_rate,
                },
            ],
            betas=(0.9, 0.99),
            eps=1e-15,
        )
        self.step = 0
        self.recoveries = 0
        self._standing: _Standing | None = None
        self._good: dict[str, Any] | None = None

    @property
    def share(self) -> float:
        return self.step / self.settings.steps

    @property
    def finished(self) -> bool:
        return self.step >= self.settings.steps

    def advance(self) -> tuple[Guide, Opinion] | None:
        """One optimiser step. Returns who was asked and the opinion, None when an earlier target served again."""
        if self.step % SNAPSHOT_EVERY == 0:
            self._good = copy.deepcopy(self.state())
        loss, answer = self._loss()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        last = max(0.0, (self.share - 0.7) / 0.3)
        for group in self.optimiser.param_groups:
            group["lr"] = group["rate"] * 0.5**self.recoveries * (1 - 0.9 * last)
        self.optimiser.step()
        self.step += 1
        if (self.step % SNAPSHOT_EVERY == 0 or self.finished) and not self._finite(loss):
            self._go_back()
        return answer

    def _loss(self) -> tuple[Tensor, tuple[Guide, Opinion] | None]:
        settings = self.settings
        marched = self.surface.march()
        vertices, faces = marched.vertices, marched.faces
        standing = self._standing
        asked = standing is None or standing.uses_left == 0
        if standing is None or standing.uses_left == 0:
            standing = self._choose_views()
        seen = render_surface(self.texture, vertices, faces, standing.cameras, self.rasteriser,
                              with_normals=standing.shading is not None)
        lit = standing.guide.light(seen, standing.cameras, settings.light, standing.shading)
        images = standing.guide.pack(lit, 0.5)
        if asked:
            opinion = standing.guide.judge(images, standing.view, self.share)
            self._standing = standing.after(opinion)
            guidance, answer = opinion.loss, (standing.guide, opinion)
        else:
            assert standing.target is not None
            guidance, answer = fit(images, standing.target), None
            self._standing = standing.used()
        pairs, edges = face_pairs(faces, len(vertices))
        loss = guidance + SIGN_TERM * self.surface.sign_term(marched)
        loss = loss + settings.normal_consistency * normal_consistency(vertices, faces, pairs)
        if settings.laplacian > 0:
            loss = loss + settings.laplacian * laplacian(vertices, faces, edges) / self.surface.grid.cell_size**2
        return loss, answer

    def _choose_views(self) -> _Standing:
        settings = self.settings
        whole = float(torch.rand((), generator=self.generator)) < settings.coarse_share
        guide = self.coarse if whole else self.fine
        cameras = sample_cameras(settings.camera, settings.views, settings.pixels, self.generator)
        cameras = cameras.to(self.surface.sdf.device)
        shading = sample_shading(settings.light, self.share, cameras, guide.prior.traits.knows_light, self.generator)
        return _Standing(guide, cameras, shading, guide.view(cameras, shading))

    def _finite(self, loss: Tensor) -> bool:
        parameters = [*self.surface.parameters(), *self.texture.parameters()]
        return math.isfinite(float(loss.detach())) and all(bool(one.isfinite().all()) for one in parameters)

    def _go_back(self) -> None:
        self.recoveries += 1
        if self.recoveries > MOST_RECOVERIES or self._good is None:
            raise TrainingDiverged(
                f"The fine stage gave values that are not finite {self.recoveries} times.",
                hint="Choose another seed or prior; if it stays, the prior's weights may be broken.",
                stage="fine",
            )
        recoveries = self.recoveries
        self.load(self._good)
        self.recoveries = recoveries
        self.generator.manual_seed(int(torch.randint(2**62, (), generator=self.generator)) + recoveries)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on from here, but for the views that stand just now."""
        return {
            "step": self.step,
            "recoveries": self.recoveries,
            "surface": self.surface.state_dict(),
            "texture": self.texture.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from a state of `state`."""
        self.step, self.recoveries = state["step"], state["recoveries"]
        self.surface.load_state_dict(state["surface"])
        self.texture.load_state_dict(state["texture"])
        # A copy, because the optimiser would otherwise go on working in the tensors of the state.
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        self.generator.set_state(state["generator"])
        self._standing = None


class _Standing:
    """The views that the stage looks through now, and, in the "target" form, what the prior wants to see there."""

    def __init__(
        self,
        guide: Guide,
        cameras: Cameras,
        shading: tuple[Tensor, bool] | None,
        view: ViewCondition,
        target: Tensor | None = None,
        uses_left: int = 0,
    ):
        self.guide, self.cameras, self.shading, self.view = guide, cameras, shading, view
        self.target, self.uses_left = target, uses_left

    def after(self, opinion: Opinion) -> _Standing:
        uses = self.guide.settings.target_uses - 1 if opinion.target is not None else 0
        return _Standing(self.guide, self.cameras, self.shading, self.view, opinion.target, uses)

    def used(self) -> _Standing:
        return _Standing(self.guide, self.cameras, self.shading, self.view, self.target, self.uses_left - 1)


def render_surface(
    texture: TextureField,
    vertices: Tensor,
    faces: Tensor,
    cameras: Cameras,
    rasteriser: Rasteriser,
    with_normals: bool = False,
) -> Seen:
    """The textured surface from `cameras`, antialiased; gradients reach texture and vertices."""
    faces = faces.int().contiguous()
    fragments = rasteriser.rasterise(vertices, faces, cameras)
    normals = vertex_normals_of(vertices, faces.long()) if with_normals else None
    attributes = vertices if normals is None else torch.cat([vertices, normals], 1)
    values = rasteriser.interpolate(attributes, faces, fragments)
    mask = fragments.mask
    # Only pixels that see something are asked for a colour. Their places move with the surface, but the texture's
    # gradient with respect to place is noise at this stage, so it is cut.
    colour = torch.zeros_like(values[..., :3])
    colour = colour.masked_scatter(mask[..., None], texture.colour(values[..., :3][mask].detach()))
    layers = [colour, mask[..., None].float()]
    if normals is not None:
        layers.append(torch.nn.functional.normalize(values[..., 3:], dim=-1, eps=1e-6) * mask[..., None])
    image = rasteriser.antialias(torch.cat(layers, -1), fragments, vertices, faces, cameras)
    return Seen(image[..., :3], image[..., 3:4], image[..., 4:] if normals is not None else None)


