# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh that an edit job is about: checked, in the frame that the priors look at, with its colours in space.

Every mesh with an area will do: open, thin and non-manifold ones, with good UVs, bad ones or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.bake import sample
from backend.geometry.compare import surface_places
from backend.geometry.health import check
from backend.geometry.mesh import Mesh
from backend.jobs.prompt import Notes
from backend.jobs.texture_input import mesh_of, picture_of
from backend.texturing.rig import Frame

PLAIN = 0.6  # grey of what came in without colours
COLOUR_POINTS = 120_000  # places of the surface that the texture field learns the colours from


@dataclass(frozen=True, eq=False)
class EditInput:
    """mesh: in the priors' frame, with the UVs that came in. frame: the way there and back. picture: its base colour
    (H, W, 3) or None. facts: for the report."""

    mesh: Mesh
    frame: Frame
    picture: NDArray[np.uint8] | None
    facts: dict[str, Any]

    def colours(self, generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(points (N, 3), their sRGB colours (N, 3) in 0..1), evenly over the surface."""
        points, faces, shares = surface_places(self.mesh, COLOUR_POINTS, generator)
        if self.picture is None or self.mesh.uvs is None:
            return points.astype(np.float32), np.full((len(points), 3), PLAIN, np.float32)
        uv = (self.mesh.uvs.astype(np.float64).reshape(-1, 3, 2)[faces] * shares[:, :, None]).sum(1)
        # Outside of the unit square a picture repeats, as it does in Blender.
        colours = sample(self.picture / 255.0, uv - np.floor(uv))
        return points.astype(np.float32), colours.astype(np.float32)


def read_edit(inputs: Mapping[str, NDArray[Any]], notes: Notes) -> EditInput:
    """Checks what came in. Raises BadRequest or TooLarge."""
    bare = mesh_of(inputs)
    health = check(bare.vertices, bare.faces)
    if not health.closed:
        notes.add("The mesh is open; parts without an inside get a thickness where it is reshaped.")
    picture = picture_of(inputs, "base_colour", "RGB")
    uvs = bare.uvs
    if picture is not None and uvs is None:
        notes.add("A base colour came in without UVs, so it could not be used.")
        picture = None
    if uvs is not None and not np.isfinite(uvs).all():
        notes.add("Some UVs are not finite, so the old colours were not used.")
        uvs = picture = None
    frame = Frame.of(bare.vertices)
    mesh = Mesh(frame.vertices(bare.vertices), bare.faces, uvs)
    return EditInput(mesh, frame, picture, {"mesh_before": health.to_map()})
