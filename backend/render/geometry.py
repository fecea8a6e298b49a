# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a mesh's geometry for control networks: normals, places, depth and coverage, antialiased."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from backend.geometry.regularisers import vertex_normals_of
from backend.priors.geometry import Geometry
from backend.render.cameras import Cameras
from backend.render.raster import Fragments, Rasteriser

SHARP = 0.8  # cosine: where face and smooth normal differ more, the edge is meant, and the face's own normal is shown
FINEST = 1024  # samples along a side, at most


def see_geometry(
    vertices: Tensor, faces: Tensor, cameras: Cameras, rasteriser: Rasteriser, size: int, finer: int = 3
) -> Geometry:
    """What `cameras` see of a mesh in square pictures of `size` pixels.

    Args:
        vertices: (V, 3) float32 in the default frame (`backend.texturing.rig.Frame` brings them there).
        faces: (F, 3) int32.
        finer: samples along each side of a pixel, fewer for large pictures.
    """
    finer = max(1, min(finer, FINEST // size))
    fine = cameras.resized(size * finer, size * finer)
    with torch.no_grad():
        fragments = rasteriser.rasterise(vertices, faces, fine)
        return geometry_of(vertices, faces, fine, fragments, finer)


def geometry_of(vertices: Tensor, faces: Tensor, cameras: Cameras, fragments: Fragments, finer: int) -> Geometry:
    """The same from fragments that `cameras` have already, each pixel the mean of finer x finer of theirs."""
    mask = fragments.mask
    corner = faces[fragments.face[mask].long()].long()  # (N, 3)
    share = fragments.barycentric[mask][..., None]
    places = vertices[corner]
    flat = functional.normalize(torch.linalg.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]), dim=-1)
    smooth = functional.normalize((vertex_normals_of(vertices, faces.long())[corner] * share).sum(1), dim=-1)
    normal = torch.where((smooth * flat).sum(-1, keepdim=True) < SHARP, flat, smooth)
    point = (places * share).sum(1)
    view = mask.nonzero()[:, 0]
    towards = cameras.positions[view] - point
    # An open or inside-out surface is seen from behind: it faces its viewer all the same.
    normal = torch.where((normal * towards).sum(-1, keepdim=True) < 0, -normal, normal)
    normal = torch.einsum("nji,nj->ni", cameras.camera_to_world[view, :3, :3], normal)
    layers = vertices.new_zeros(*mask.shape, 8)
    layers[mask] = torch.cat([normal, point, fragments.depth[mask][:, None], torch.ones_like(point[:, :1])], -1)
    mean = functional.avg_pool2d(layers.permute(0, 3, 1, 2), finer)
    coverage = mean[:, 7:]
    own = mean / coverage.clamp_min(1e-6)  # means over what was hit
    return Geometry(functional.normalize(mean[:, :3], dim=1, eps=1e-6), coverage, own[:, 3:6], own[:, 6:7])
