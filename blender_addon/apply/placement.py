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
from mathutils import Matrix

COLLECTION = "Maquette"
NAME_LIMIT = 48
"""Bytes of a name that is made from a prompt; Blender allows 63 and may add .001."""

PLACES = ("CURSOR", "ORIGIN", "EMPTY")
IDENTITY: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Place:
    """A scene by name and a 4 x 4 object-to-world matrix, row by row; metres, without scale."""

    scene: str
    matrix: tuple[float, ...] = IDENTITY

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


def take_place(context: Any, where: str) -> Place:
    """The place that the panel's choice means right now; ValueError with the reason when it means none.

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
    return Place(scene.name, tuple(value for row in transform for value in row))


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


def link(scene: Any, item: Any, matrix: Matrix) -> None:
    """Put an object into the scene's collection for results and stand it at `matrix`."""
    collection_of(scene).objects.link(item)
    item.matrix_world = matrix
