# SPDX-License-Identifier: GPL-3.0-or-later
"""A contact sheet: one object seen from all around, as a single picture.

Works in a scene of its own that is deleted afterwards, so the artist's cameras, lights and render settings play no
part and are not touched. The lights travel with the camera: every side is lit alike, and differences between the
views are differences of the object.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import compat

GREY = (0.62, 0.64, 0.67)
"""Linear colour of backdrop and floor."""
MARGIN = 1.12
"""The object's outline times this touches the frame: room for its shadow."""


@dataclass(frozen=True)
class Sheet:
    """How the sheet is made. views: how many azimuths, evenly spread from the front (-Y) on, counter-clockwise.

    columns: views in a row. size: pixels of a view's side. samples: Cycles samples a pixel. elevation_degrees: of the
    camera above the object's middle. fov_degrees: vertical field of view.
    """

    views: int = 8
    columns: int = 4
    size: int = 320
    samples: int = 8
    elevation_degrees: float = 18.0
    fov_degrees: float = 30.0

    def __post_init__(self) -> None:
        if self.views < 1 or self.columns < 1 or self.size < 16 or self.samples < 1:
            raise ValueError("a sheet needs at least one view, one column, 16 pixels and one sample")


def render_sheet(item: Any, path: Path, sheet: Sheet | None = None) -> None:
    """Render `item` (a mesh object) all around and write a PNG to `path`."""
    sheet = sheet or Sheet()
    body = _body(item)
    before = {name: set(getattr(bpy.data, name)) for name in _KINDS}
    scene = bpy.data.scenes.new("Maquette turntable")
    try:
        subject = item.copy()  # same mesh, free of the artist's parents, animation and visibility
        subject.parent = None
        subject.animation_data_clear()
        subject.hide_render = False
        subject.matrix_world = item.matrix_world.copy()
        scene.collection.objects.link(subject)
        _floor(scene, body)
        _settings(scene, sheet)
        rig = _rig(scene, sheet, body)
        views = []
        with tempfile.TemporaryDirectory(prefix="maquette-") as folder:
            for index in range(sheet.views):
                azimuth = 2.0 * math.pi * index / sheet.views
                rig.matrix_world = Matrix.Translation(body.centre) @ Matrix.Rotation(azimuth, 4, "Z")
                scene.render.filepath = str(Path(folder) / f"{index:02d}.png")
                bpy.ops.render.render(write_still=True, scene=scene.name)
                views.append(_pixels(scene.render.filepath, sheet.size))
        _save(_compose(views, sheet.columns), path)
    finally:
        bpy.data.scenes.remove(scene)
        for name in _KINDS:
            blocks = getattr(bpy.data, name)
            for block in list(blocks):
                if block not in before[name] and block.users == 0:
                    blocks.remove(block)


_KINDS = ("objects", "cameras", "lights", "worlds", "meshes", "materials", "images")


@dataclass(frozen=True)
class _Body:
    """The upright cylinder around an object that turns about its own axis; world metres."""

    centre: Vector
    radius: float
    height: float


def _body(item: Any) -> _Body:
    points = np.empty(len(item.data.vertices) * 3, dtype=np.float32)
    item.data.vertices.foreach_get("co", points)
    world = np.array(item.matrix_world, dtype=np.float64)
    points = points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
    low, high = points.min(axis=0), points.max(axis=0)
    centre = (low + high) / 2.0
    radius = float(np.linalg.norm(points[:, :2] - centre[:2], axis=1).max())
    return _Body(Vector(centre), max(radius, 1e-6), max(float(high[2] - low[2]), 1e-6))


def _distance(body: _Body, elevation: float, fov: float) -> float:
    """How far the camera stands from the cylinder's middle so that its outline times MARGIN fits the square frame."""
    azimuth = np.linspace(0.0, 2.0 * math.pi, 64)
    x, y = body.radius * np.sin(azimuth), -body.radius * np.cos(azimuth)
    reach = math.tan(fov / 2.0)
    needed = 0.0
    for z in (-body.height / 2.0, body.height / 2.0):
        towards = -y * math.cos(elevation) + z * math.sin(elevation)  # along the way to the camera
        upwards = y * math.sin(elevation) + z * math.cos(elevation)
        needed = max(needed, float((towards + MARGIN * np.maximum(np.abs(x), np.abs(upwards)) / reach).max()))
    return needed


def _settings(scene: Any, sheet: Sheet) -> None:
    render = scene.render
    compat.set_engine(scene, ("CYCLES",))
    scene.cycles.samples = sheet.samples
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 3
    render.use_persistent_data = True
    render.resolution_x = render.resolution_y = sheet.size
    render.resolution_percentage = 100
    render.film_transparent = False
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    render.use_file_extension = True
    scene.view_settings.view_transform = "Standard"  # the filmic transforms pale the texture's colours
    scene.view_settings.look = "None"
    world = bpy.data.worlds.new("Maquette turntable")
    compat.enable_nodes(world)
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*GREY, 1.0)
    background.inputs["Strength"].default_value = 0.6
    scene.world = world


def _rig(scene: Any, sheet: Sheet, body: _Body) -> Any:
    """An empty at the origin that carries camera and lights; it looks along +Y from the front."""
    rig = bpy.data.objects.new("Maquette turntable", None)
    scene.collection.objects.link(rig)
    fov = math.radians(sheet.fov_degrees)
    elevation = math.radians(sheet.elevation_degrees)
    distance = _distance(body, elevation, fov)
    lens = bpy.data.cameras.new("Maquette turntable")
    lens.sensor_fit = "VERTICAL"
    lens.angle_y = fov
    lens.clip_start, lens.clip_end = distance / 100.0, distance * 100.0
    camera = bpy.data.objects.new("Maquette turntable", lens)
    camera.matrix_world = _stand(0.0, elevation, distance)
    camera.parent = rig
    scene.collection.objects.link(camera)
    scene.camera = camera
    # key from the upper left, weak fill from the right: enough shape to read, no black sides
    for azimuth, height, energy, angle in ((-0.7, 0.95, 1.9, 0.35), (1.1, 0.45, 0.5, 0.6)):
        sun = bpy.data.lights.new("Maquette turntable", "SUN")
        sun.energy, sun.angle = energy, angle
        light = bpy.data.objects.new("Maquette turntable", sun)
        light.matrix_world = _stand(azimuth, height, distance)
        light.parent = rig
        scene.collection.objects.link(light)
    return rig


def _stand(azimuth: float, elevation: float, distance: float) -> Matrix:
    """Camera-to-world of something that looks at the origin; azimuth 0 stands at -Y, +pi/2 at +X."""
    position = distance * Vector(
        (math.sin(azimuth) * math.cos(elevation), -math.cos(azimuth) * math.cos(elevation), math.sin(elevation))
    )
    return Matrix.LocRotScale(position, (-position).to_track_quat("-Z", "Y"), None)


def _floor(scene: Any, body: _Body) -> None:
    """A wide plain floor under the object, which takes its shadow."""
    reach = 200.0 * max(body.radius, body.height)
    mesh = bpy.data.meshes.new("Maquette turntable")
    corners = [(x * reach, y * reach, 0.0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    surface = bpy.data.materials.new("Maquette turntable")
    compat.enable_nodes(surface)
    shader = next(node for node in surface.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    compat.socket(shader.inputs, "Base Color").default_value = (*GREY, 1.0)
    compat.socket(shader.inputs, "Roughness").default_value = 1.0
    mesh.materials.append(surface)
    plane = bpy.data.objects.new("Maquette turntable", mesh)
    plane.location = (body.centre.x, body.centre.y, body.centre.z - 0.501 * body.height)
    scene.collection.objects.link(plane)


def _pixels(path: str, size: int) -> np.ndarray:
    """A rendered file as (size, size, 4) float32, bottom row first as Blender keeps it."""
    image = bpy.data.images.load(path)
    try:
        pixels = np.empty(size * size * 4, dtype=np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    return pixels.reshape(size, size, 4)


def _compose(views: list[np.ndarray], columns: int) -> np.ndarray:
    """Views (H, W, 4), first at the top left, row by row; empty places stay white."""
    size = views[0].shape[0]
    rows = -(-len(views) // columns)
    sheet = np.ones((rows * size, min(columns, len(views)) * size, 4), dtype=np.float32)
    for index, view in enumerate(views):
        row, column = divmod(index, columns)
        bottom = (rows - 1 - row) * size
        sheet[bottom : bottom + size, column * size : (column + 1) * size] = view
    return sheet


def _save(pixels: np.ndarray, path: Path) -> None:
    """pixels: (H, W, 4) float32 sRGB, bottom row first."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new("Maquette turntable", width, height)
    try:
        image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
        image.filepath_raw = str(path)
        image.file_format = "PNG"
        image.save()
    finally:
        bpy.data.images.remove(image)
