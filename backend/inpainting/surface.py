# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a mesh's texture continued from what surrounds it, on the surface, without words.

Colours are continued in space first, over seams and charts alike. Then a few narrow views face the part, one after
another: what is known in a view is continued into it by a picture inpainter, and goes back to the texels of the part,
where the next view takes it for known. So patterns go on, and the views agree. No other texel changes by a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from backend.geometry.bake import TexelMap, dilate, to_bytes
from backend.geometry.mesh import Mesh, face_normals
from backend.inpainting.base import Inpainter
from backend.render.cameras import Cameras
from backend.render.raster import Rasteriser
from backend.texturing.canvas import NothingSeen, depth_edges
from backend.texturing.fill import fill
from backend.texturing.projection import Projector
from backend.texturing.rig import facing
from backend.texturing.textured import pictures_of

VIEWS = 4  # at most, where nobody says how many
PIXELS = 320  # side of a view
WIDER = 3.0  # a view is so much wider than the part: what it continues stands around it
SETTLED = 0.6  # cosine from which a texel counts as known for the views that follow
WHOLE = 0.98  # coverage below which a pixel shows more than the object


@dataclass(frozen=True, eq=False)
class Continued:
    """image (S, S, 3) uint8; cameras, those that looked, or None; facts, plain values for a report."""

    image: NDArray[np.uint8]
    cameras: Cameras | None
    facts: dict[str, Any]


def continue_surface(
    mesh: Mesh,
    texels: TexelMap,
    picture: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    inpainter: Inpainter,
    rasteriser: Rasteriser,
    device: torch.device,
    tell: Callable[[float, str], None],
    *,
    views: int = 0,
    cameras: Cameras | None = None,
    two_sided: bool = False,
    show: Callable[[torch.Tensor], None] = lambda pictures: None,
) -> Continued:
    """The texture with its hole continued.

    Args:
        mesh: with UVs, in the default cameras' frame; texels: of this mesh at the picture's size.
        picture: (S, S, 3) sRGB; hole: (S, S) bool, what is to be made anew. Texels of no chart take the colour of the
            nearest that is on one.
        tell: told about progress; may raise Cancelled.
        views: at most so many are chosen, 0 for as many as the part needs up to VIEWS.
        cameras: views to use instead.
        two_sided: the mesh is open or wound inwards.
        show: given each view (1, 3, s, s) as it is continued.

    Raises ValueError when no texel outside the hole is on the surface.
    """
    wanted = hole[texels.rows, texels.columns]
    values = picture[texels.rows, texels.columns].astype(np.float32) / 255.0
    tell(0.0, "continuing colours over the surface")
    values = fill(texels.points, texels.normals, values, ~wanted)
    at = np.flatnonzero(wanted)
    facts: dict[str, Any] = {"texels": len(at), "inpainter": inpainter.name, "views": 0, "seen": 0.0}
    if not len(at):
        return Continued(picture.copy(), None, facts)
    flat = face_normals(mesh.vertices, mesh.faces)[texels.face[at]].astype(np.float32)
    part = texels.points[at], texels.normals[at], flat
    if cameras is None:
        with suppress(NothingSeen):  # inside of something the colours of its surroundings have to do
            cameras = facing(mesh, part, views or VIEWS, rasteriser, device, two_sided=two_sided, close=WIDER)
    best = np.zeros(len(at), np.float32)
    for number in range(0 if cameras is None else len(cameras)):
        assert cameras is not None
        tell((number + 0.2) / len(cameras), f"continuing view {number + 1} of {len(cameras)}")
        camera = cameras[number : number + 1].resized(PIXELS, PIXELS)
        open_ = np.zeros(hole.shape, np.float32)
        open_[texels.rows[at], texels.columns[at]] = best < SETTLED
        seen = _view(mesh, texels, values, open_, camera, rasteriser)
        if seen is None:
            continue
        view, gap, beside = seen
        if not gap.any() or (gap | beside).all():
            continue
        filled = inpainter.fill(view, gap, beside)
        drawn = torch.from_numpy(np.concatenate([filled, np.ones_like(filled[..., :1])], -1)).permute(2, 0, 1)[None]
        show(drawn[:, :3])
        projector = Projector(*part, torch.from_numpy(mesh.vertices).to(device),
                              torch.from_numpy(mesh.faces).to(device), camera, rasteriser, two_sided)
        found = projector.project(drawn.to(device), 1.0)
        better = (found.facing > best) & (best < SETTLED)
        values[at[better]] = found.values[better]
        best = np.where(better, found.facing, best)
    if (best == 0).any() and (best > 0).any():
        known = ~wanted
        known[at] = best > 0
        values = fill(texels.points, texels.normals, values, known)
    image = picture.copy()
    image[hole] = to_bytes(dilate(texels.picture(values), texels.mask))[hole]
    facts |= {"views": 0 if cameras is None else len(cameras), "seen": round(float((best > 0).mean()), 4)}
    return Continued(image, cameras, facts)


def _view(
    mesh: Mesh, texels: TexelMap, values: NDArray[np.float32], open_: NDArray[np.float32], camera: Cameras,
    rasteriser: Rasteriser,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]] | None:
    """((s, s, 3) picture, its hole, what is not the object) as one camera sees it; None when it sees nothing."""
    atlas = dilate(texels.picture(values), texels.mask)
    colour, alpha, _ = pictures_of(mesh, atlas, camera, rasteriser, 2)
    shown, _, _ = pictures_of(mesh, np.repeat(open_[..., None], 3, -1), camera, rasteriser, 2)
    if not bool((alpha > WHOLE).any()):
        return None
    view = (colour / alpha.clamp_min(1e-6))[0].permute(1, 2, 0).cpu().numpy().astype(np.float32)
    # A pixel that has anything of an open texel in it is open; so is its neighbour, where colours have blended.
    gap = binary_dilation(shown[0, 0].cpu().numpy() > 1e-3)
    beside = alpha[0, 0].cpu().numpy() < WHOLE
    gap = gap & ~beside
    # What stands before or behind the part, beyond a jump in depth, is none of its surroundings.
    vertices, faces = torch.from_numpy(mesh.vertices).to(camera.device), torch.from_numpy(mesh.faces).to(camera.device)
    jumps = depth_edges(rasteriser.rasterise(vertices, faces, camera), camera, 1)[0].cpu().numpy()
    surfaces, _ = label(~beside & ~jumps)
    own = np.isin(surfaces, np.unique(surfaces[gap & ~jumps])) & ~beside & ~jumps
    if (own & ~gap).any():
        beside = ~own & ~gap
    return view.clip(0, 1), gap, beside
