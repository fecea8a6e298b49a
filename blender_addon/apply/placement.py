# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result goes: its name, its collection, its place.

A place is taken down as plain numbers when the artist presses the button, because the cursor, the selection and even
the scene may be something else when the result comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

COLLECTION = "Maquette"
ROOT = "//"
"""Stands for the scene's root collection, which has no name of its own."""
NAME_LIMIT = 48
"""Bytes of a name that is made from a prompt; Blender allows 63 and may add .001."""

PLACES = ("CURSOR", "ORIGIN", "EMPTY")
IDENTITY: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Place:
    """A scene by name and a 4 x 4 object-to-world matrix, row by row, in the scene's units, without scale.

    collection: name of the one to file it in; empty for the scene's own collection for results.
    """

    scene: str
    matrix: tuple[float, ...] = IDENTITY
    collection: str = ""

    def __post_init__(self) -> None:
        if len(self.matrix) != 16:
            raise ValueError(f"a place needs the 16 numbers of a matrix, not {len(self.matrix)}")

    @property
    def transform(self) -> Matrix:
        return Matrix([self.matrix[row : row + 4] for row in range(0, 16, 4)])


def object_name(prompt: str) -> str:
    """A name an artist recognises: the prompt's first words, with a capital, cut at a word's end."""
    words = re.sub(r"[\s\x00-\x1f]+", " ", prompt).strip(" .,;:!?\"'").split(" ")
    if words[0].lower() in ("a", "an", "the") and len(words) > 1:
        words = words[1:]
    name = ""
    for word in words:
        longer = f"{name} {word}".strip()
        if len(longer.encode("utf-8")) > NAME_LIMIT:
            break
        name = longer
    if not name:  # a single word longer than the limit
        name = words[0].encode("utf-8")[:NAME_LIMIT].decode("utf-8", errors="ignore")
    return (name[:1].upper() + name[1:]) or "Maquette"


def take_place(context: Any, where: str, into: str = "MAQUETTE") -> Place:
    """The place that the panel's choice means right now; ValueError with the reason when it means none.

    into: "MAQUETTE" for the collection of results, "ACTIVE" for the one that is active.
    CURSOR: the 3D cursor's position, upright. ORIGIN: the world origin. EMPTY: position and rotation of the one
    selected empty; its scale is left out, because the size has its own setting.
    """
    scene = context.scene
    if where == "CURSOR":
        transform = Matrix.Translation(scene.cursor.location)
    elif where == "ORIGIN":
        transform = Matrix.Identity(4)
    elif where == "EMPTY":
        empties = [item for item in context.view_layer.objects.selected if item.type == "EMPTY"]
        if len(empties) != 1:
            count = len(empties)
            raise ValueError(f"Place wants one selected empty, but {count or 'none'} of the selected objects is one")
        location, rotation, _scale = empties[0].matrix_world.decompose()
        transform = Matrix.LocRotScale(location, rotation, None)
    else:
        raise ValueError(f"there is no place called {where}")
    chosen = context.collection if into == "ACTIVE" else None
    name = chosen.name if chosen is not None and chosen != scene.collection else ""
    if chosen == scene.collection and into == "ACTIVE":
        name = ROOT
    return Place(scene.name, tuple(value for row in transform for value in row), name)


def scene_of(place: Place) -> Any:
    """The scene the place was taken in; the current one when that was deleted or renamed meanwhile."""
    return bpy.data.scenes.get(place.scene) or bpy.context.scene


def collection_of(scene: Any) -> Any:
    """The scene's own collection for results, made and linked when missing."""
    for child in scene.collection.children:
        if child.name == COLLECTION or child.name.startswith(f"{COLLECTION}."):
            return child
    collection = bpy.data.collections.get(COLLECTION)
    if collection is None or collection.library is not None or collection.users:
        collection = bpy.data.collections.new(COLLECTION)  # taken by another scene: Blender adds .001
    scene.collection.children.link(collection)
    return collection


def link(place: Place, item: Any) -> None:
    """File an object where its place says and stand it there. A collection that is gone is replaced by the scene's
    own for results."""
    scene = scene_of(place)
    chosen = None
    if place.collection == ROOT:
        chosen = scene.collection
    elif place.collection:
        chosen = next((one for one in scene.collection.children_recursive if one.name == place.collection), None)
    (chosen if chosen is not None and chosen.library is None else collection_of(scene)).objects.link(item)
    item.matrix_world = place.transform


def selection(layer: Any) -> tuple[str, ...]:
    """Names of what is selected; the layer may still list what was deleted a moment ago."""
    return tuple(sorted(item.name for item in layer.objects if item is not None and item.select_get()))


def choose(items: list[Any], before: tuple[str, ...] | None) -> None:
    """Select new objects, the first as the active one, in place of what was selected when the button was pressed.

    before: that; None leaves the selection alone, and so does an artist who has gone on to something else meanwhile.
    """
    layer = bpy.context.view_layer
    active = layer.objects.active
    elsewhere = any(item.name not in layer.objects or not item.visible_get() for item in items)
    if before is None or elsewhere or selection(layer) != before or active is not None and active.mode != "OBJECT":
        return
    for item in layer.objects:
        if item is not None:
            item.select_set(False)
    for item in items:
        item.select_set(True)
    layer.objects.active = items[0]


def in_scene_units(vertices: np.ndarray, place: Place) -> np.ndarray:
    """Metres -> the units of the place's scene; vertices: (V, 3) float32. The same array where a unit is a metre."""
    scale = scene_of(place).unit_settings.scale_length
    return vertices if scale == 1.0 else vertices * np.float32(1.0 / scale)
