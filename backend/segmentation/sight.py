# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh before the cameras of a segment job: which face each pixel shows, which face each click hits, what it looks
like, and where the next camera would be clicked.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.geometry.mesh import Mesh
from backend.kernels.ray_cast import RayCaster
from backend.render.cameras import Cameras
from backend.render.lighting import shade
from backend.render.raster import Rasteriser
from backend.segmentation.base import Clicks
from backend.texturing.textured import pictures_of

LARGEST = 1280  # pixels along the longer side of the pictures that are looked at
GREY = 0.5


class Sight:
    """A mesh (with UVs where there is a texture) and B cameras in one frame, of any size."""

    def __init__(self, mesh: Mesh, cameras: Cameras, rasteriser: Rasteriser):
        share = min(1.0, LARGEST / max(cameras.width, cameras.height))
        self.mesh, self._full, self._rasteriser = mesh, cameras, rasteriser
        self.cameras = cameras.resized(max(1, round(cameras.width * share)), max(1, round(cameras.height * share)))
        self._vertices = torch.from_numpy(mesh.vertices).to(cameras.device)
        self._faces = torch.from_numpy(mesh.faces).to(cameras.device)

    @torch.no_grad()
    def shown(self) -> NDArray[np.int64]:
        """(B, H, W) the face that each pixel of the smaller pictures shows, -1 for none."""
        fragments = self._rasteriser.rasterise(self._vertices, self._faces, self.cameras)
        return torch.where(fragments.mask, fragments.face.long(), -1).cpu().numpy()

    def hit(self, clicks: Clicks) -> NDArray[np.int64]:
        """(N,) the face that lies exactly under each click in the first camera, -1 for none."""
        camera = self._full[0]
        tangent = float(torch.tan(0.5 * camera.fov_y[0]))
        x = (2.0 * clicks.places[:, 0] - camera.width) / camera.height * tangent
        y = (1.0 - 2.0 * clicks.places[:, 1] / camera.height) * tangent
        local = torch.from_numpy(np.stack((x, y, -np.ones_like(x)), 1)).to(camera.camera_to_world)
        ways = torch.nn.functional.normalize(local @ camera.camera_to_world[0, :3, :3].T, dim=-1)
        found = RayCaster(self._vertices, self._faces).cast(camera.positions.expand_as(ways), ways)
        return found.face.cpu().numpy().astype(np.int64)

    def pictures(self, texture: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """(B, H, W, 3) what the cameras see, lit from where they stand, before mid grey."""
        mesh, colours = self.mesh, texture
        if colours is None or mesh.uvs is None:
            mesh = mesh.with_uvs(np.zeros((3 * len(mesh.faces), 2), np.float32))
            colours = np.full((2, 2, 3), 200, np.uint8)
        colour, alpha, normal = (
            layer.permute(0, 2, 3, 1) for layer in pictures_of(mesh, colours / 255.0, self.cameras, self._rasteriser)
        )
        light = torch.nn.functional.normalize(self.cameras.positions + 1e-6, dim=-1)
        lit = shade(colour, normal, light, opacity=alpha) + GREY * (1 - alpha)
        return (lit.clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def next_clicks(shown: NDArray[np.int64], chosen: NDArray[np.bool_], known: NDArray[np.bool_]) -> Clicks | None:
    """Where a picture whose pixels show faces (H, W) would be clicked to mean the faces `chosen` (F,): the deepest
    place of what is chosen and of what is not, as far as faces are `known` (F,). None where nothing chosen is shown."""
    places, inside = [], []
    face = np.maximum(shown, 0)
    for meant in (True, False):
        region = (shown >= 0) & known[face] & (chosen[face] == meant)
        away = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
        if away.max() < 2:
            continue
        row, column = np.unravel_index(int(away.argmax()), away.shape)
        places.append((column + 0.5, row + 0.5))
        inside.append(meant)
    return Clicks(np.array(places), np.array(inside)) if inside and inside[0] else None
