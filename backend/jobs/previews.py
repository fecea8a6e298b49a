# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sees while a job runs: a rough mesh that stands in the scene and sharpens, and a picture.

A preview is shown at most every few seconds and must never cost a job: where a field has no surface yet, there is
simply no preview.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from backend.fields.radiance import RadianceField
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureField
from backend.jobs.context import JobContext
from protocol.errors import EmptySurface

ROUGH = 26
"""Cells along an edge of the preview's grid in the coarse stage: about 3,000 faces, a tenth of a second."""


Place = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Vertices (V, 3) from field units to metres."""


class Previews:
    """Sends previews, but not more often than `every` seconds."""

    def __init__(self, context: JobContext, every: float, size_metres: float, place: Place | None = None):
        """place: where field units stand in the scene; None puts the object on the ground in its size."""
        self._context = context
        self._every = every
        self._place = place if place is not None else lambda vertices: to_metres(vertices, size_metres)
        self._last = -float("inf")

    def due(self) -> bool:
        return self._context.ranks.first and self._context.clock() - self._last >= self._every

    def of_field(self, field: RadianceField, picture: Tensor | None) -> None:
        """The surface of a radiance field, roughly."""
        self._last = self._context.clock()
        self._picture(picture)
        try:
            surface = TetrahedralSDF.from_density(field.density, ROUGH, device=field.table.device)
        except EmptySurface:
            return
        with torch.no_grad():
            vertices, faces = surface.surface()
            self._mesh(vertices, faces, field.density_and_colour(vertices).colour)

    def of_surface(self, surface: TetrahedralSDF, texture: TextureField, picture: Tensor | None) -> None:
        """The tetrahedral surface as it stands."""
        self._last = self._context.clock()
        self._picture(picture)
        with torch.no_grad():
            vertices, faces = surface.surface()
            self._mesh(vertices, faces, texture.colour(vertices))

    def of_pictures(self, pictures: Tensor) -> None:
        """Views being painted, (B, 3 or more, s, s): the first four, two by two."""
        if not self.due():
            return
        self._last = self._context.clock()
        four = pictures[torch.arange(4) % len(pictures), :3]
        self._picture(torch.cat([torch.cat(list(four[:2]), 2), torch.cat(list(four[2:]), 2)], 1).permute(1, 2, 0))

    def _mesh(self, vertices: Tensor, faces: Tensor, colours: Tensor) -> None:
        placed = self._place(vertices.cpu().numpy())
        bytes_ = np.full((len(placed), 4), 255, np.uint8)
        bytes_[:, :3] = to_bytes(colours)
        self._context.preview_mesh(placed, np.ascontiguousarray(faces.cpu().numpy(), np.int32), bytes_)

    def _picture(self, picture: Tensor | None) -> None:
        if picture is not None:
            self._context.preview_image(to_bytes(picture))


def to_metres(vertices: NDArray[np.float32], size_metres: float) -> NDArray[np.float32]:
    """Field units to metres: the longest side becomes `size_metres`, the base stands on z = 0, centred on x and y."""
    low, high = vertices.min(0), vertices.max(0)
    longest = max(float((high - low).max()), 1e-6)
    origin = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], np.float32)
    return ((vertices - origin) * (size_metres / longest)).astype(np.float32)


def to_bytes(picture: Tensor) -> NDArray[np.uint8]:
    """Values in 0..1 to bytes, any shape."""
    return (picture.detach().clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def png(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3 or 4) as the bytes of a PNG file, (n,) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=6)
    return np.frombuffer(buffer.getvalue(), np.uint8)
