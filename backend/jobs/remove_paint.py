# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of a removal's patch: smooth ones first, then what surrounds it where that continues better.

Each chart of the patch is unrolled with its surroundings onto one picture. Several ways of continuing it are tried
there where the truth is known, and the best is taken; where none is better than smooth colours, these stay. A chart
that cannot be unrolled is looked at by a few views instead. At last the texels along the rim are made to meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.atlas_space import Placed, texel_density
from backend.geometry.bake import sample, texel_map, to_bytes
from backend.geometry.health import check
from backend.geometry.mesh import Mesh
from backend.geometry.uv_quality import uv_charts
from backend.inpainting import inpainter_of
from backend.inpainting.biharmonic import Harmonic
from backend.inpainting.choice import ByContent
from backend.inpainting.contest import best_way, ways
from backend.inpainting.surface import continue_surface
from backend.inpainting.unrolled import Unrolled, unroll
from backend.jobs.context import JobContext
from backend.render.raster import Rasteriser
from backend.texturing.patch import PatchTexels, continue_texture, laid, patch_texels
from backend.texturing.rig import Frame
from backend.texturing.rim import meet_rim
from protocol.specs import RemoveSpec

MOST_CHARTS = 24  # that are continued by what surrounds them; smaller ones get smooth colours
LEAST_TEXELS = 12  # of such a chart

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Brush:
    """What painting the patch needs of the job."""

    spec: RemoveSpec
    rasteriser: Rasteriser
    context: JobContext
    tell: Callable[[float, str], None]


def paint_patch(
    mesh: Mesh, fresh: Bools, picture: Bytes, patch: PatchTexels, placed: Placed, brush: Brush
) -> tuple[Bytes, dict[str, Any]]:
    """(the picture (H, W, C) with colours for the patch's texels, facts for the report). mesh: with UVs; fresh (F,):
    its new faces. Other texels that are taken keep their bits."""
    picture = continue_texture(mesh, fresh, picture, patch, placed.taken)
    facts: dict[str, Any] = {"texels": len(patch.texels.points), "views": 0}
    if brush.spec.views:
        picture, seen = _continued(mesh, fresh, picture, patch, placed, brush)
        facts |= seen
    brush.tell(0.95, "blending the border")
    return meet_rim(mesh, fresh, picture, patch, placed.taken), facts


def _continued(
    mesh: Mesh, fresh: Bools, picture: Bytes, patch: PatchTexels, placed: Placed, brush: Brush
) -> tuple[Bytes, dict[str, Any]]:
    """The picture with every chart of the patch continued by what surrounds it, the largest first, where that is
    likelier than smooth colours."""
    assert mesh.uvs is not None
    height, width = picture.shape[:2]
    triangles = mesh.uvs.reshape(-1, 3, 2).astype(np.float64)
    density = texel_density(mesh, mesh.uvs.reshape(-1, 3, 2), fresh, width, height)
    at = np.flatnonzero(fresh)
    chart = np.full(len(fresh), -1)
    chart[at], _ = uv_charts(mesh.vertices.astype(np.float64), mesh.faces[at].astype(np.int64), triangles[at])
    owner = chart[patch.texels.face]
    numbers, sizes = np.unique(owner, return_counts=True)
    largest = numbers[np.argsort(-sizes, kind="stable")]
    largest = largest[np.sort(-sizes) <= -LEAST_TEXELS][:MOST_CHARTS]
    colour = picture[patch.rows, patch.columns].copy()
    blank, found, tangled = fresh.copy(), Counter[str](), []
    for done, number in enumerate(largest):
        brush.tell(0.1 + 0.6 * done / len(largest), f"continuing part {done + 1} of {len(largest)}")
        part, own = chart == number, owner == number
        lies = triangles[part] * np.array([width, -height]) + np.array([0.0, height])
        flat = unroll(mesh, picture[..., :3], blank, part, lies, density)
        if flat is None:
            tangled.append(own)
            continue
        way, filled = _filled(flat, brush)
        found[way] += 1
        if filled is not None:
            colour[own, :3] = to_bytes(sample(filled, flat.place(patch.texels.face[own],
                                                                 patch.texels.barycentric[own])))
            picture = laid(picture, patch, colour, placed.taken)
        blank &= ~part
    if blank.any() and not blank[fresh].all():
        # Smooth colours that are left now go on from what has been continued beside them.
        rest = blank[patch.texels.face]
        picture = continue_texture(mesh, blank, picture, patch_texels(mesh, blank, width, height),
                                   placed.taken | _texels(picture.shape[:2], patch, ~rest))
    views = 0
    for done, own in enumerate(tangled):
        def told(share: float, message: str, done: int = done) -> None:
            brush.tell(0.7 + 0.25 * (done + share) / len(tangled), message)

        picture, more = _looked_at(mesh, picture, patch, placed, own, told, brush)
        views += more
        found["views"] += 1
    return picture, {"views": views, "ways": dict(found), "inpainter": brush.spec.inpainter or ByContent.name}


def _texels(shape: tuple[int, ...], patch: PatchTexels, some: Bools) -> Bools:
    """(H, W) those of the patch's texels that are in `some` (N,)."""
    result = np.zeros(shape, bool)
    result[patch.rows[some], patch.columns[some]] = True
    return result


def _filled(flat: Unrolled, brush: Brush) -> tuple[str, NDArray[np.float32] | None]:
    """(the way, the picture with its hole filled, None where the smooth colours that are there shall stay)."""
    if not (flat.hole.any() and not (flat.hole | flat.beside).all()):
        return Harmonic.name, None
    if brush.spec.inpainter not in ("", ByContent.name):
        asked = inpainter_of(brush.spec.inpainter, brush.context.device)
        return asked.name, asked.fill(flat.picture, flat.hole, flat.beside)
    name = best_way(flat.picture, flat.hole, flat.beside, brush.context.check)
    return name, None if name == Harmonic.name else ways()[name].fill(flat.picture, flat.hole, flat.beside)


def _looked_at(
    mesh: Mesh, picture: Bytes, patch: PatchTexels, placed: Placed, own: Bools, tell: Callable[[float, str], None],
    brush: Brush,
) -> tuple[Bytes, int]:
    """(the picture with the texels `own` (N,) of the patch continued in views that face them, how many views)."""
    assert mesh.uvs is not None
    height, width = picture.shape[:2]
    side = max(height, width)
    # Views are painted on a square, so a picture that is none lies in the lower left corner of one.
    square = np.zeros((side, side, 3), np.uint8)
    square[side - height :, :width] = picture[..., :3]
    uvs = (mesh.uvs * (np.array([width, height]) / side)).astype(np.float32)
    framed = Mesh(Frame.of(mesh.vertices).vertices(mesh.vertices), mesh.faces, uvs)
    rows, columns = patch.rows[own], patch.columns[own]
    hole = np.zeros((side, side), bool)
    hole[rows + side - height, columns] = True
    painted = continue_surface(
        framed, texel_map(framed, side), square, hole, inpainter_of(brush.spec.inpainter, brush.context.device),
        brush.rasteriser, brush.context.device, tell, views=brush.spec.views,
        two_sided=not check(mesh.vertices, mesh.faces).closed)
    colour = picture[patch.rows, patch.columns].copy()
    colour[own, :3] = painted.image[rows + side - height, columns]
    return laid(picture, patch, colour, placed.taken), int(painted.facts["views"])
