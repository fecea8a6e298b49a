# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordinary ways: what somebody would write, or reach for, who had none of our kernels.

Plain torch in its best vectorised form, without gradients' special cases or shortcuts that only fit the benchmark, and
public libraries called as their documentation shows. Each does the same work as ours up to what its docstring says.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backend.fields.radiance import RadianceField
from backend.render.cameras import Cameras


def dense_volume(field: RadianceField, cameras: Cameras, samples: int) -> Tensor:
    """Volume rendering as in the NeRF paper (Mildenhall et al. 2020, eq. 3), without an occupancy grid.

    `samples` evenly spaced on each ray's way through the cube [-1, 1]^3; premultiplied colour (B, H, W, 3). Rays that
    miss the cube are left out, samples in empty space are not.
    """
    origins, directions = cameras.rays()
    flat_origins, flat_directions = origins.reshape(-1, 3), directions.reshape(-1, 3)
    inverse = 1.0 / torch.where(flat_directions.abs() < 1e-9, 1e-9, flat_directions)
    low, high = (-1.0 - flat_origins) * inverse, (1.0 - flat_origins) * inverse
    near, far = torch.minimum(low, high).amax(dim=-1).clamp_min(0.0), torch.maximum(low, high).amin(dim=-1)
    hit = (far > near).nonzero()[:, 0]
    length = (far - near)[hit, None] / samples
    t = near[hit, None] + (torch.arange(samples) + 0.5) * length
    points = flat_origins[hit, None] + flat_directions[hit, None] * t[..., None]
    seen = field(points.reshape(-1, 3))
    alpha = 1.0 - torch.exp(-seen.density.view(t.shape) * length)
    through = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1.0 - alpha[:, :-1]], dim=1), dim=1)
    colour = ((alpha * through)[..., None] * seen.colour.view(*t.shape, 3)).sum(dim=1)
    picture = torch.zeros(len(flat_origins), 3).index_copy(0, hit, colour)
    return picture.view(*origins.shape)


def every_pixel_every_face(vertices: Tensor, faces: Tensor, cameras: Cameras, chunk: int = 256) -> Tensor:
    """Nearest face (B, H, W) at each pixel centre, -1 where nothing is: edge functions of all faces at all pixels."""
    tangent = torch.tan(0.5 * cameras.fov_y)
    matrix = cameras.world_to_camera()
    place = vertices @ matrix[:, :3, :3].transpose(1, 2) + matrix[:, None, :3, 3]
    depth = -place[..., 2]
    screen = place[..., :2] / (depth * tangent[:, None])[..., None]
    device = vertices.device
    x = ((torch.arange(cameras.width, device=device) + 0.5) * 2.0 - cameras.width) / cameras.height
    y = 1.0 - (torch.arange(cameras.height, device=device) + 0.5) * (2.0 / cameras.height)
    pixels = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).view(-1, 2)
    best = torch.full((len(cameras), len(pixels)), torch.inf, device=device)
    found = torch.full((len(cameras), len(pixels)), -1, dtype=torch.int64, device=device)
    for view in range(len(cameras)):
        for first in range(0, len(faces), chunk):
            corner = screen[view, faces[first : first + chunk].long()]  # (F, 3, 2)
            away = depth[view, faces[first : first + chunk].long()]
            a, b, c = corner[:, None, 0], corner[:, None, 1], corner[:, None, 2]
            area = _cross(b - a, c - a)
            share = torch.stack([_cross(c - b, pixels - b), _cross(a - c, pixels - c), _cross(b - a, pixels - a)], -1)
            share = share / torch.where(area.abs() < 1e-12, torch.inf, area)[..., None]
            near = 1.0 / (share / away[:, None]).sum(dim=-1)  # perspective-correct depth
            near = torch.where((share >= 0).all(dim=-1) & (area != 0) & (near > 0), near, torch.inf)
            nearest, which = near.min(dim=0)
            closer = nearest < best[view]
            best[view] = torch.where(closer, nearest, best[view])
            found[view] = torch.where(closer, which + first, found[view])
    return found.view(len(cameras), cameras.height, cameras.width)


def interpolated(attributes: Tensor, vertices: Tensor, faces: Tensor, seen: Tensor, cameras: Cameras) -> Tensor:
    """Attributes (V, C) at the pixels that see `seen` (B, H, W): (B, H, W, C), zero elsewhere; with gradients.

    Barycentrics where each pixel's ray meets the plane of its face, by torch's own operations.
    """
    origins, directions = cameras.rays()
    corners = vertices[faces[seen.clamp_min(0)].long()]  # (B, H, W, 3, 3)
    a, b, c = corners.unbind(-2)
    normal = torch.linalg.cross(b - a, c - a)
    square = (normal * normal).sum(-1, keepdim=True).clamp_min(1e-20)
    t = ((a - origins) * normal).sum(-1, keepdim=True) / (directions * normal).sum(-1, keepdim=True)
    point = origins + t * directions
    one = (torch.linalg.cross(c - b, point - b) * normal).sum(-1, keepdim=True) / square
    two = (torch.linalg.cross(a - c, point - c) * normal).sum(-1, keepdim=True) / square
    shares = torch.stack([one, two, 1 - one - two], -2)
    values = (attributes[faces[seen.clamp_min(0)].long()] * shares).sum(-2)
    return torch.where((seen >= 0)[..., None], values, 0.0)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def every_ray_every_face(
    origins: Tensor, directions: Tensor, vertices: Tensor, faces: Tensor, chunk: int = 512
) -> Tensor:
    """Distance (N,) to the nearest face along each ray, infinite on a miss (Moeller and Trumbore 1997), all pairs."""
    best = torch.full((len(origins),), torch.inf)
    for first in range(0, len(faces), chunk):
        a, b, c = vertices[faces[first : first + chunk].long()].unbind(dim=1)
        one, two = b - a, c - a
        p = torch.cross(directions[:, None].expand(-1, len(a), -1), two[None].expand(len(origins), -1, -1), dim=-1)
        determinant = (p * one).sum(dim=-1)
        inverse = 1.0 / torch.where(determinant.abs() < 1e-12, torch.inf, determinant)
        offset = origins[:, None] - a[None]
        u = (offset * p).sum(dim=-1) * inverse
        q = torch.cross(offset, one[None].expand_as(offset), dim=-1)
        v = (directions[:, None] * q).sum(dim=-1) * inverse
        t = (two * q).sum(dim=-1) * inverse
        hit = (determinant.abs() >= 1e-12) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        best = torch.minimum(best, torch.where(hit, t, torch.inf).amin(dim=1))
    return best


def scikit_marching_cubes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in the cube [-1, 1]^3 and faces (F, 3) of the zero level of a cubic grid, by scikit-image."""
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(values, level=0.0)
    return vertices * (2.0 / (values.shape[0] - 1)) - 1.0, faces


def plain_xatlas(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """xatlas as its README shows it: default options. UV (V', 2) and faces (F, 3) into it."""
    import xatlas

    _, indices, uvs = xatlas.parametrize(vertices, faces)
    return uvs, indices


def plain_decimation(vertices: np.ndarray, faces: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """fast-simplification as its README shows it."""
    import fast_simplification

    return fast_simplification.simplify(vertices, faces, target_reduction=1.0 - budget / len(faces))
