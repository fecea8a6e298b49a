# SPDX-License-Identifier: GPL-3.0-or-later
"""From where an object is looked at: the panel's rig as plain matrices, and helpers that place cameras around it.

Azimuth 0 is a camera at -Y that sees the front, +90 degrees one at +X; cameras look along -Z with +Y up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import wire

MARGIN = 1.15
"""Distance of a placed camera, as a multiple of the one from which the object's sphere just fits."""
FOV = math.radians(40.0)
COLLECTION = "Maquette Cameras"
GOLDEN = math.pi * (3.0 - math.sqrt(5.0))


@dataclass(frozen=True)
class View:
    """One camera. matrix: 4 x 4 camera to world, row by row, without scale. fov: vertical, radians. aspect: width /
    height. name: of the camera it was taken from."""

    matrix: tuple[float, ...]
    fov: float
    aspect: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Subject:
    """What the cameras look at: a sphere, in the scene's units."""

    centre: Vector
    radius: float


def subject(context: Any) -> Subject:
    """The sphere around the selected objects; a ball of 1 m at the 3D cursor when none with a size is selected."""
    corners = [
        item.matrix_world @ Vector(corner)
        for item in context.selected_objects if item.type in ("MESH", "CURVE", "SURFACE", "META", "FONT")
        for corner in item.bound_box
    ]
    scale = context.scene.unit_settings.scale_length
    if not corners:
        return Subject(Vector(context.scene.cursor.location), 0.5 / scale)
    low = Vector([min(corner[axis] for corner in corners) for axis in range(3)])
    high = Vector([max(corner[axis] for corner in corners) for axis in range(3)])
    return Subject((low + high) / 2.0, max((high - low).length / 2.0, 1e-3))


def direction(azimuth: float, elevation: float) -> Vector:
    """Unit vector from the object to a camera; radians."""
    flat = math.cos(elevation)
    return Vector((math.sin(azimuth) * flat, -math.cos(azimuth) * flat, math.sin(elevation)))


def ring(count: int, elevation: float) -> list[Vector]:
    """Directions all around at one height, from the front on, counter-clockwise from above."""
    return [direction(2.0 * math.pi * at / count, elevation) for at in range(count)]


def hemisphere(count: int) -> list[Vector]:
    """Directions spread evenly over the upper half, from the horizon to the top."""
    heights = [(at + 0.5) / count for at in range(count)]
    return [direction(GOLDEN * at, math.asin(height)) for at, height in enumerate(heights)]


def box() -> list[Vector]:
    """The six sides: front, right, back, left, top, bottom."""
    return [*ring(4, 0.0), Vector((0.0, 0.0, 1.0)), Vector((0.0, 0.0, -1.0))]


def looking(subject: Subject, towards: Vector, fov: float = FOV) -> Matrix:
    """Camera to world of a camera in the direction `towards` that sees the whole subject."""
    distance = MARGIN * subject.radius / math.sin(fov / 2.0)
    turn = towards.to_track_quat("Z", "Y").to_matrix().to_4x4()
    return Matrix.Translation(subject.centre + towards * distance) @ turn


def place(scene: Any, matrices: list[Matrix], fov: float = FOV) -> Any:
    """Make cameras in a new collection of the scene, which is returned."""
    collection = bpy.data.collections.new(COLLECTION)
    scene.collection.children.link(collection)
    for number, matrix in enumerate(matrices, 1):
        data = bpy.data.cameras.new(f"View {number}")
        data.sensor_fit = "VERTICAL"
        data.angle = fov
        item = bpy.data.objects.new(data.name, data)
        item.matrix_world = matrix
        collection.objects.link(item)
    return collection


def rig(context: Any, properties: Any) -> list[View]:
    """The views that the panel's choice means; none for NONE, where the worker chooses.

    Raises BadRequest when the choice has no cameras.
    """
    scene = context.scene
    aspect = scene.render.resolution_x / max(scene.render.resolution_y, 1)
    if properties.rig == "NONE":
        return []
    if properties.rig == "TURNTABLE":
        about = subject(context)
        directions = ring(properties.rig_count, properties.rig_elevation)
        return [View(_rows(looking(about, one)), FOV, 1.0, f"turntable {at}") for at, one in enumerate(directions, 1)]
    if properties.rig == "SCENE":
        found = [item for item in scene.objects if item.type == "CAMERA"]
    else:
        chosen = properties.rig_collection
        found = [item for item in chosen.all_objects if item.type == "CAMERA"] if chosen is not None else []
    views = [view_of(item, aspect) for item in sorted(found, key=lambda item: item.name) if item.data.type == "PERSP"]
    if not views:
        raise wire.errors.BadRequest(
            "Cameras names no perspective camera.", path="rig", hint="Place some with the buttons below it."
        )
    return views


def view_of(camera: Any, aspect: float) -> View:
    """A camera object as plain numbers."""
    location, rotation, _scale = camera.matrix_world.decompose()
    data = camera.data
    if data.sensor_fit == "VERTICAL":
        fov = data.angle_y
    elif data.sensor_fit == "AUTO" and aspect < 1.0:
        fov = data.angle_x  # AUTO lays the sensor's width along the longer side
    else:
        fov = 2.0 * math.atan(math.tan(data.angle_x / 2.0) / aspect)
    return View(_rows(Matrix.LocRotScale(location, rotation, None)), fov, aspect, camera.name)


def arrays(views: list[View]) -> dict[str, np.ndarray]:
    """As a job's inputs: cameras (n, 4, 4) float32 and fields_of_view (n,) float32, vertical, radians."""
    return {
        "cameras": np.array([one.matrix for one in views], np.float32).reshape(-1, 4, 4),
        "fields_of_view": np.array([one.fov for one in views], np.float32),
    }


def seen_by(item: Any, views: list[View]) -> dict[str, np.ndarray]:
    """As inputs of a job about an object: the views in its own frame; its scale moves them nearer or farther. Raises
    BadRequest when there are none."""
    if not views:
        raise wire.errors.BadRequest("The panel names no cameras.", path="rig", hint="Choose some under Cameras.")
    found = []
    for view in views:
        world = Matrix([view.matrix[at : at + 4] for at in range(0, 16, 4)])
        location, rotation, _scale = (item.matrix_world.inverted() @ world).decompose()
        found.append(View(_rows(Matrix.LocRotScale(location, rotation, None)), view.fov, view.aspect, view.name))
    return arrays(found)


def _rows(matrix: Matrix) -> tuple[float, ...]:
    return tuple(value for row in matrix for value in row)
