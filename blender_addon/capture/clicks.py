# SPDX-License-Identifier: GPL-3.0-or-later
"""Clicks in a viewport or on a picture -> a segment job: where the eye stood, what it saw, what is meant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from mathutils import Matrix

from .. import wire
from . import appearance, cameras, meshes, pictures

FAR = 50.0
"""A view without perspective is seen from so many times its height away, which is nearly the same."""


@dataclass(frozen=True)
class Sight:
    """A view whose middle is where its camera looks. width, height: pixels. shift: of a click, pixels."""

    view: cameras.View
    width: int
    height: int
    shift: tuple[float, float] = (0.0, 0.0)


def sight(region: Any, space: Any) -> Sight:
    """What a 3D viewport shows, as a camera; a shifted view becomes a wider one, in which the clicks move along.

    region: of the viewport's window; space: its `RegionView3D`.
    """
    window, matrix = space.window_matrix, space.view_matrix.inverted()
    if space.is_perspective:
        half_x, half_y = 1.0 / window[0][0], 1.0 / window[1][1]  # tangents
        off_x, off_y = window[0][2], window[1][2]  # of the middle, in half widths; positive: it looks to the right, up
    else:
        half_x, half_y = 1.0 / window[0][0], 1.0 / window[1][1]  # units
        off_x, off_y = -window[0][3], -window[1][3]
        back = FAR * max(half_x, half_y)
        matrix = matrix @ Matrix.Translation((0.0, 0.0, back))
        away = back + space.view_distance  # what is looked at keeps its size
        half_x, half_y = half_x / away, half_y / away
    wide, high = 1.0 + abs(off_x), 1.0 + abs(off_y)
    width, height = round(region.width * wide), round(region.height * high)
    shift = ((width - region.width) / 2.0 + off_x * region.width / 2.0,
             (height - region.height) / 2.0 - off_y * region.height / 2.0)
    rows = tuple(value for row in matrix for value in row)
    return Sight(cameras.View(rows, 2.0 * math.atan(half_y * high), half_x * wide / (half_y * high)), width, height,
                 shift)


def through(scene: Any, camera: Any | None = None) -> Sight:
    """What a camera object renders, the scene's own by default. Raises BadRequest where there is none."""
    item = camera or scene.camera
    if item is None or item.type != "CAMERA" or item.data.type != "PERSP":
        raise wire.errors.BadRequest("There is no perspective camera that the clicks could lie in.", path="camera")
    render = scene.render
    share = render.resolution_percentage / 100.0
    width, height = round(render.resolution_x * share), round(render.resolution_y * share)
    return Sight(cameras.view_of(item, width / max(height, 1)), width, height)


def of_mesh(item: Any, seen: Sight, clicks: list[tuple[float, float, bool]], by: str = "auto"
            ) -> tuple[Any, dict[str, np.ndarray]]:
    """(spec, inputs) of a segment job that selects faces of an object.

    clicks: x, y in pixels of the region from its top left corner, and whether that is inside. Raises BadRequest.
    """
    spec = wire.specs.SegmentSpec(by=by, width=seen.width, height=seen.height, name=item.name)
    with meshes.at_rest(item.name) as still:
        worn = appearance.one_texture(still)
        arrays = meshes.triangles(still.data, worn.uv_map if worn is not None else "")
    if worn is not None and "uvs" in arrays:
        arrays["base_colour"] = pictures.as_input(worn.file())
    else:
        arrays.pop("uvs", None)
    right, down = seen.shift
    points = [(x + right, y + down, inside) for x, y, inside in clicks]
    return spec, arrays | cameras.seen_by(item, [seen.view]) | {"clicks": rows(points)}


def of_picture(image: Any, clicks: list[tuple[float, float, bool]]) -> tuple[Any, dict[str, np.ndarray]]:
    """(spec, inputs) of a segment job that makes a mask of an image; clicks in its pixels, from the top left corner."""
    pictures.check(image)
    return wire.specs.SegmentSpec(name=image.name[:63]), {
        "picture": pictures.as_input(pictures.file_bytes(image)), "clicks": rows(clicks),
    }


def rows(clicks: list[tuple[float, float, bool]]) -> np.ndarray:
    """(N, 3) float32: x, y, 1 for inside or 0. Raises BadRequest when nothing is inside."""
    if not any(inside for _, _, inside in clicks):
        raise wire.errors.BadRequest("Click what is meant first.", path="clicks")
    return np.array([(x, y, float(inside)) for x, y, inside in clicks], np.float32)
