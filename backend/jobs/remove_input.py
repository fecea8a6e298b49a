# SPDX-License-Identifier: GPL-3.0-or-later
"""What a remove job was given, checked: the mesh, which of its faces shall go, and its texture where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.health import Health, check
from backend.geometry.mesh import Mesh
from backend.jobs.prompt import Notes
from backend.jobs.texture_input import mesh_of, picture_of
from protocol.errors import BadRequest

OUTSIDE = 1e-4  # how far UVs may lie outside the square from 0 to 1


@dataclass(frozen=True, eq=False)
class RemoveInput:
    """mesh: as it came in, with UVs where it has usable ones. gone: (F,) bool, what was selected. picture: (H, W, 3 or
    4) uint8, the texture, or None. repeats: the UVs leave the square, so the texture repeats and has no free space.
    health: of the mesh."""

    mesh: Mesh
    gone: NDArray[np.bool_]
    picture: NDArray[np.uint8] | None
    repeats: bool
    health: Health


def read_remove(inputs: Mapping[str, NDArray[Any]], notes: Notes) -> RemoveInput:
    """Raises BadRequest or TooLarge naming the input."""
    mesh = mesh_of(inputs)
    selected = inputs["selected"]
    if len(selected) != len(mesh.faces):
        raise BadRequest(f"There are {len(selected):,} marks for {len(mesh.faces):,} faces.", path="inputs.selected",
                         hint="Send one byte for each face: 1 where it shall go, 0 where it stays.")
    gone = np.asarray(selected) != 0
    if not gone.any():
        raise BadRequest("Nothing is selected, so there is nothing to remove.", path="inputs.selected",
                         hint="Select the faces of the piece that shall go.")
    if gone.all():
        raise BadRequest("Everything is selected; nothing would be left to close the surface with.",
                         path="inputs.selected", hint="Select only the piece that shall go, or delete the object.")
    picture = picture_of(inputs, "base_colour", "RGBA")
    if picture is not None and (picture[..., 3] == 255).all():
        picture = np.ascontiguousarray(picture[..., :3])
    if picture is not None and mesh.uvs is None:
        raise BadRequest("There is a base colour, but the mesh has no UVs that it lies on.", path="inputs.uvs",
                         hint="Send the UVs too, or leave base_colour out.")
    repeats, uvs = False, mesh.uvs
    if uvs is not None:
        if not np.isfinite(uvs).all():
            notes.add("Some UVs are not finite; the patch gets none, and the texture stays as it is.")
            mesh, picture = Mesh(mesh.vertices, mesh.faces), None
        elif uvs.min() < -OUTSIDE or uvs.max() > 1 + OUTSIDE:
            repeats = True
            notes.add("The UVs reach outside the square from 0 to 1, so the texture repeats or lies on several tiles; "
                      "the patch goes on with it instead of getting texels of its own.")
    return RemoveInput(mesh, gone, picture, repeats, check(mesh.vertices, mesh.faces))
