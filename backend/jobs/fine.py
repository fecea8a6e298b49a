# SPDX-License-Identifier: GPL-3.0-or-later
"""The fine stage: a deformable tetrahedral surface and its texture field, sharpened under a second prior.

Magic3D's second stage (Lin et al. 2023, section 4.2): the mesh is rasterised at a high resolution from close cameras,
antialiased silhouettes and shaded normals carry gradients to the shape, score distillation comes from a prior of higher
resolution with low noise levels only. Part of the steps may listen to the coarse prior, which has seen whole objects.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backend.distillation.ranks import ALONE, Part, Ranks
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureField
from backend.geometry.regularisers import face_pairs, laplacian, normal_consistency, vertex_normals_of
from backend.jobs.guide import Guide, Learner, Opinion, Seen
from backend.jobs.presets import Fine
from backend.jobs.stage import Stage
from backend.jobs.views import sample_cameras, sample_shading
from backend.priors.views import ViewCondition
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser

SIGN_TERM = 0.01  # weight of the sign-change entropy; keeps stray inner surfaces away, too small to move the outer one


class FineStage(Stage["tuple[Guide, Opinion] | None"]):
    """A surface and a texture under optimisation. `fine` is the high-resolution guide, `coarse` the first stage's.

    `advance` answers who was asked and the opinion, or None when an earlier target served again. The views that stand
    just now are not part of a state; a resumed stage repeats the run that it was taken from where that was `at_rest`.
    """

    def __init__(
        self,
        settings: Fine,
        surface: TetrahedralSDF,
        texture: TextureField,
        fine: Guide,
        coarse: Guide,
        rasteriser: Rasteriser,
        seed: int,
        ranks: Ranks = ALONE,
        turns: int = 1,
    ):
        self.settings = settings
        self.surface, self.texture = surface, texture
        self.fine, self.coarse = fine, coarse
        self.rasteriser = rasteriser
        self._standing: list[_Standing | None] = [None] * turns  # one a turn
        optimised: dict[str, tuple[nn.Module, float]] = {
            "texture": (texture, settings.learning_rate),
            "surface": (surface, settings.surface_learning_rate),
        }
        super().__init__(
            "fine", settings.steps, optimised, {}, 0.7, torch.Generator().manual_seed(seed), ranks,
            also=[fine.generator, coarse.generator], turns=turns,
        )

    def learners(self) -> dict[str, Learner]:
        guides = {"fine": self.fine, "coarse": self.coarse}
        return {name: one for key, guide in guides.items() for name, one in guide.learners(key).items()}

    @property
    def at_rest(self) -> bool:
        """Whether the next step asks anew, so that a state taken now holds all that decides the rest of the run."""
        return all(one is None or one.uses_left == 0 for one in self._standing)

    def loss(self) -> tuple[Tensor, tuple[Guide, Opinion] | None]:
        """Guidance and the terms that keep the surface calm."""
        settings = self.settings
        marched = self.surface.march()
        vertices, faces = marched.vertices, marched.faces
        standing = self._standing[self.turn]
        asked = standing is None or standing.uses_left == 0
        if standing is None or standing.uses_left == 0:
            standing = self._choose_views()
        seen = render_surface(self.texture, vertices, faces, standing.cameras, self.rasteriser,
                              with_normals=standing.shading is not None)
        lit = standing.guide.light(seen, standing.cameras, settings.light, standing.shading)
        images = standing.guide.pack(lit, 0.5)
        # Before the prior is asked: which faces touch is counted by the host, which would wait for the prior too.
        pairs, edges = face_pairs(faces, len(vertices))
        calm = SIGN_TERM * self.surface.sign_term(marched)
        calm = calm + settings.normal_consistency * normal_consistency(vertices, faces, pairs)
        if settings.laplacian > 0:
            calm = calm + settings.laplacian * laplacian(vertices, faces, edges) / self.surface.grid.cell_size**2
        answer: tuple[Guide, Opinion] | None = None
        if asked:
            opinion = standing.guide.judge(images, standing.view, self.share, standing.part)
            self._standing[self.turn] = standing.after(opinion)
            guidance, answer = opinion.loss, (standing.guide, opinion)
        else:
            assert standing.target is not None
            guidance = standing.guide.fit(images, standing.target)
            self._standing[self.turn] = standing.used()
        return standing.part.weigh(guidance + calm), answer

    def _choose_views(self) -> _Standing:
        settings = self.settings
        whole = float(torch.rand((), generator=self.generator)) < settings.coarse_share
        guide = self.coarse if whole else self.fine
        cameras = sample_cameras(settings.camera, settings.views, settings.pixels, self.generator)
        shading = sample_shading(settings.light, self.share, cameras, guide.prior.traits.knows_light, self.generator)
        part = self.part(settings.views, guide.views_together)
        if not part.is_whole:
            cameras = cameras[part.slice]
            shading = None if shading is None else (shading[0][part.slice], shading[1])
        view = guide.view(cameras, shading)
        return _Standing(guide, cameras.to(self.surface.sdf.device), shading, view, part)

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._standing = [None] * self.turns


class _Standing:
    """The views that this rank looks through now, which part of the step's they are, and, in the "target" form, what
    the prior wants to see there."""

    def __init__(
        self,
        guide: Guide,
        cameras: Cameras,
        shading: tuple[Tensor, bool] | None,
        view: ViewCondition,
        part: Part,
        target: Tensor | None = None,
        uses_left: int = 0,
    ):
        self.guide, self.cameras, self.shading, self.view = guide, cameras, shading, view
        self.part, self.target, self.uses_left = part, target, uses_left

    def after(self, opinion: Opinion) -> _Standing:
        uses = self.guide.settings.target_uses - 1 if opinion.target is not None else 0
        return _Standing(self.guide, self.cameras, self.shading, self.view, self.part, opinion.target, uses)

    def used(self) -> _Standing:
        left = self.uses_left - 1
        return _Standing(self.guide, self.cameras, self.shading, self.view, self.part, self.target, left)


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
    covered = mask.reshape(-1).nonzero().squeeze(1)
    places = values.detach()[..., :3].reshape(-1, 3).index_select(0, covered)
    colour = torch.zeros_like(values[..., :3]).reshape(-1, 3).index_copy(0, covered, texture.colour(places))
    layers = [colour.view_as(values[..., :3]), mask[..., None].float()]
    if normals is not None:
        layers.append(torch.nn.functional.normalize(values[..., 3:], dim=-1, eps=1e-6) * mask[..., None])
    image = rasteriser.antialias(torch.cat(layers, -1), fragments, vertices, faces, cameras)
    return Seen(image[..., :3], image[..., 3:4], image[..., 4:] if normals is not None else None)


