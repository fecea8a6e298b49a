# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove: a selected piece of a mesh goes, and the surface and its texture close over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .base import MAX_SEED, Input, Spec
from .texture import MAX_PICTURE_BYTES

CLOSINGS = ("auto", "flat", "tangent", "curved")
MOST_PATCH_VIEWS = 3


@dataclass(frozen=True)
class RemoveSpec(Spec):
    """Selected faces are removed and every hole that they leave is closed.

    closing: how the patch meets the surface around it: `flat` spans the rim like a soap film (C0), `tangent` goes on
    in the direction of the surface (C1), `curved` goes on with its curvature too (C2), `auto` caps tubes and
    otherwise goes on tangentially. trim: the narrow faces beside the selection that only lead up to it go too, where
    that makes the rim calmer. views: 0 leaves a patch with smooth colours continued from its rim; above, what
    surrounds it is continued where that is likelier, unrolled onto one picture or, where that cannot be, in so many
    views (up to 3). inpainter: what continues it, as of an inpaint job; empty tries several ways. seed: named
    in the report; nothing is drawn by chance as yet. name: as of a text to 3D job.

    Inputs: the mesh in the object's frame (Z up): vertices, faces, selected (a byte for each face, 0 stays, anything
    else goes), and where there are any uvs (one per face corner, v up) and base_colour, a PNG or JPEG file on them.

    Results: vertices and faces of the new mesh; vertex_origin and face_origin, the index each had before, -1 for the
    patch; normals, edges and corner_edges as of a text to 3D job; uvs, base_colour and thumbnail where the mesh had a
    texture. What stays keeps its order, its coordinates, its UVs and its texels to the last bit; where the texture
    has no room for the patch it grows to twice its size, with the old texels in one corner, and `atlas` in the
    report says by what the old UVs were multiplied.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "remove"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)),
        Input("faces", ("<i4",), (None, 3)),
        Input("selected", ("|u1",), (None,)),
        Input("uvs", ("<f4",), (None, 2), required=False),
        Input("base_colour", ("|u1",), (None,), required=False, maximum=MAX_PICTURE_BYTES),
    )

    closing: str = "auto"
    trim: bool = True
    views: int = 2
    inpainter: str = ""
    seed: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        checks.one_of(*CLOSINGS)(self.closing, "closing")
        checks.boolean(self.trim, "trim")
        checks.integer(0, MOST_PATCH_VIEWS)(self.views, "views")
        checks.text(1024, printable=True)(self.inpainter, "inpainter")
        checks.optional(checks.integer(0, MAX_SEED))(self.seed, "seed")
        checks.text(63, printable=True)(self.name, "name")

    @property
    def title(self) -> str:
        """What is removed from what."""
        return f"{self.name}: remove the selection" if self.name else "Remove the selection"
