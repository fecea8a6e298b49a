# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of an object back onto its texels, by asking each texel which views see it.

Every texel is projected into every view, tested against that view's depth and looked up there bilinearly: nothing is
splatted, so there are no holes at any resolution. Looking straight counts more than grazing, and pixels beside depth
edges, which show two surfaces at once, count only where nobody else sees the texel. Texels whose middle is hidden but
of which a pixel shows a part are the business of `backend.texturing.glimpses`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from backend.kernels.ray_cast import RayCaster
from backend.priors.base import GREY
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser, to_camera_vertices
from backend.texturing.canvas import EDGE_TRUST, depth_edges, pixel_footprint

DEPTH_PIXELS = 1024  # side of the depth pictures: at 512 some 80 texels behind an edge are taken for hidden
STEEPEST = 0.12  # cosine below which a view does not see a texel (83 degrees)
CHUNK = 1 << 18  # texels at a time
LIFT = 1e-4  # how far above the surface a ray to the camera begins, in the frame's units


@dataclass(frozen=True, eq=False)
class Projected:
    """values (N, 3) float32 in 0..1 at the texels, facing (N,) float32: the largest cosine at which any view sees each,
    0 where none does; values there mean nothing."""

    values: NDArray[np.float32]
    facing: NDArray[np.float32]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(N,) by any view."""
        return self.facing > 0


class Projector:
    """The texels of a mesh before a rig of cameras.

    Args:
        points, normals: (N, 3) float32 of the texels.
        flat: (N, 3) float32 normals of the faces that they lie on. They decide what is seen, because smooth normals
            bend around sharp edges; smooth ones weigh the views, because they don't jump from face to face.
        vertices (V, 3) float32, faces (F, 3) int32: the mesh, in the cameras' world.
        cameras: B cameras, of any size; a picture may have another than theirs.
        two_sided: the mesh is open or wound inwards, so that what counts is only which surface comes first.
        depth_pixels: height of the depth pictures.
    """

    def __init__(
        self,
        points: NDArray[np.float32],
        normals: NDArray[np.float32],
        flat: NDArray[np.float32],
        vertices: Tensor,
        faces: Tensor,
        cameras: Cameras,
        rasteriser: Rasteriser,
        two_sided: bool = False,
        depth_pixels: int = DEPTH_PIXELS,
    ):
        aspect = cameras.width / cameras.height
        self.cameras = cameras.resized(max(1, round(depth_pixels * aspect)), depth_pixels)
        self.two_sided = two_sided
        self.points = torch.from_numpy(points).to(cameras.device)
        self.normals = torch.from_numpy(normals).to(cameras.device)
        self.flat = torch.from_numpy(flat).to(cameras.device)
        with torch.no_grad():
            fragments = rasteriser.rasterise(vertices, faces, self.cameras)
        far = 10.0 * float(fragments.depth.max()) + 1.0
        self._mesh = vertices, faces
        self._caster: RayCaster | None = None
        self.face = fragments.face  # (B, H, W) int32, what each pixel of the depth pictures shows
        self._depth = torch.where(fragments.mask, fragments.depth, far)
        self._edges = depth_edges(fragments, self.cameras, 1)
        self._footprint = pixel_footprint(self.cameras)

    def project(self, pictures: Tensor, exponent: float) -> Projected:
        """Colours of the texels from pictures (B, 4, H, W), colour over mid grey and alpha."""
        edges = self.edges(pictures)
        over = plain_layers(pictures)
        values = torch.zeros(len(self.points), 3, device=self.points.device)
        facing = torch.zeros(len(self.points), device=self.points.device)
        for start in range(0, len(self.points), CHUNK):
            some = slice(start, start + CHUNK)
            total = values.new_zeros(len(self.points[some]), 4)
            for view in range(len(self.cameras)):
                place, cosine = self._look(view, some)
                at = cosine.nonzero()[:, 0]
                if not len(at):
                    continue
                there = place[at].view(1, 1, -1, 2)
                colour = functional.grid_sample(over[view : view + 1], there, padding_mode="border",
                                                align_corners=False)
                edge = functional.grid_sample(edges[view : view + 1], there, align_corners=False)[0, 0, 0]
                weight = torch.where(edge > 0.25, EDGE_TRUST**2, 1.0) * cosine[at] ** exponent
                total[at] += colour[0, :, 0].T * weight[:, None]
                facing[some] = torch.maximum(facing[some], cosine)
            values[some] = (total[:, :3] / total[:, 3:].clamp_min(1e-12)).clamp(0, 1)
        return Projected(values.cpu().numpy(), facing.cpu().numpy())

    def edges(self, pictures: Tensor) -> Tensor:
        """(B, 1, H, W) 1 beside depth edges, as far as the pixels of these pictures reach; in the depth pictures."""
        reach = max(1, round(0.75 * self.cameras.height / pictures.shape[-2]))
        # The greatest of a square is the greatest of its columns' greatest: 25 times less work for small pictures.
        columns = functional.max_pool2d(self._edges[:, None].float(), (2 * reach + 1, 1), 1, (reach, 0))
        return functional.max_pool2d(columns, (1, 2 * reach + 1), 1, (0, reach))

    def facing(self) -> Tensor:
        """(B, N) the cosine at which each view sees each texel, 0 where it does not."""
        return torch.stack([self._look(view, slice(None))[1] for view in range(len(self.cameras))])

    def _look(self, view: int, some: slice) -> tuple[Tensor, Tensor]:
        """((n, 2) where texels are in a view's picture, -1..1; (n,) cosine, 0 where they are not seen)."""
        camera = self.cameras[view]
        points = self.points[some]
        local = to_camera_vertices(points, camera)[0]
        depth = -local[:, 2]
        tangent = torch.tan(0.5 * camera.fov_y)
        aspect = camera.width / camera.height
        place = torch.stack([local[:, 0] / aspect, -local[:, 1]], -1) / (depth.clamp_min(1e-6) * tangent)[:, None]
        towards = functional.normalize(camera.positions - points, dim=-1)
        cosine, straight = (towards * self.normals[some]).sum(-1), (towards * self.flat[some]).sum(-1)
        if self.two_sided:
            cosine, straight = cosine.abs(), straight.abs()
        first = functional.grid_sample(self._depth[view][None, None], place.view(1, 1, -1, 2), mode="nearest",
                                       padding_mode="border", align_corners=False)[0, 0, 0]
        # A pixel's own depth varies by its size times the slope; a texel's point is exact.
        slack = self._footprint[view] * (1.0 + 1.5 / straight.clamp_min(STEEPEST))
        inside = (place.abs() < 1).all(-1) & (depth > 1e-6)
        faces_it = inside & (straight > STEEPEST)
        seen = faces_it & (depth < first + slack)
        # Beside the edge of what is in front, the nearest pixel's depth may be the other side's: a ray decides.
        deepest = functional.max_pool2d(self._depth[view][None, None], 3, 1, 1)
        around = functional.grid_sample(deepest, place.view(1, 1, -1, 2), mode="nearest", padding_mode="border",
                                        align_corners=False)[0, 0, 0]
        doubtful = (faces_it & ~seen & (depth < around + slack)).nonzero()[:, 0]
        if len(doubtful):
            side = torch.sign((towards[doubtful] * self.flat[some][doubtful]).sum(-1, keepdim=True))
            seen[doubtful] = self._free(points[doubtful], side * self.flat[some][doubtful], camera)
        return place, torch.where(seen, cosine.clamp(STEEPEST, 1), 0.0)

    def _free(self, points: Tensor, normals: Tensor, camera: Cameras) -> Tensor:
        """(n,) bool: nothing lies between these points (n, 3), lifted along `normals`, and the camera."""
        if self._caster is None:
            self._caster = RayCaster(*self._mesh)
        start = points + LIFT * normals
        way = camera.positions - start
        distance = way.norm(dim=-1)
        hits = self._caster.cast(start, way / distance[:, None])
        return hits.distance > distance


def plain_layers(pictures: Tensor) -> Tensor:
    """Pictures (B, 4, H, W) over mid grey as what the object itself adds, with alpha: fit for blending."""
    return torch.cat([pictures[:, :3] - GREY * (1 - pictures[:, 3:4]), pictures[:, 3:4]], 1)
