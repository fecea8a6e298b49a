# SPDX-License-Identifier: GPL-3.0-or-later
"""What jobs worked on -> objects of the file that is open, so that results find there what they find in an artist's
scene: the mesh with its texture, the picture, the armature.

An object of an artist's .blend is appended out of it, with what belongs to it; what came out of other files is built
from the arrays that went in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from .. import wire
from ..apply import armature, placement
from ..apply import material as materials
from ..apply.image import PNG_SIGNATURE, image_from_png
from ..apply.mesh import UV_NAME, MeshArrays, build_mesh
from ..apply.result import SHARP_ANGLE
from ..capture import meshes

ALONE = ("edit",)
"""Kinds whose results stand by themselves: the original is in its own file."""


@dataclass
class Staged:
    """What a result finds. target, options: as of a `Delivery`. items: the objects, the target first."""

    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


def stage(scene: Any, entries: list[dict[str, Any]]) -> list[Staged]:
    """Put what these results lie on into a scene, before the first of them changes anything; one for each entry."""
    library = Library(scene, entries)
    return [library.take(one["facts"]) or built(scene, one) for one in entries]


class Library:
    """The artist's objects that several results are about, appended all at once, so that their images and materials
    keep their names; who comes later gets a copy of what the first found."""

    def __init__(self, scene: Any, entries: list[dict[str, Any]]) -> None:
        self._scene = scene
        self._found: dict[tuple[str, str], Any] = {}
        self._taken: set[tuple[str, str]] = set()
        files: dict[str, list[str]] = {}
        for one in entries:
            facts = one["facts"]
            if facts.get("file") and one["kind"] not in ALONE:
                files.setdefault(facts["file"], []).extend(_names(facts))
        for file, names in files.items():
            if Path(file).is_file():
                self._append(file, list(dict.fromkeys(names)))

    def _append(self, file: str, names: list[str]) -> None:
        with bpy.data.libraries.load(file, link=False) as (there, wanted):
            names = [name for name in names if name in there.objects]
            wanted.objects = list(names)
        for name, item in zip(names, wanted.objects, strict=True):
            if item is not None:
                self._found[file, name] = item

    def take(self, facts: Mapping[str, Any]) -> Staged | None:
        """The target with its company; None where the file does not have it."""
        file = str(facts.get("file", ""))
        names = [name for name in _names(facts) if (file, name) in self._found]
        if not names or names[0] != facts.get("target"):
            return None
        originals = [self._found[file, name] for name in names]
        items = originals
        if self._taken & {(file, name) for name in names}:
            items = copies(originals)
        self._taken |= {(file, name) for name in names}
        for item in items:
            placement.collection_of(self._scene).objects.link(item)
        options = dict(facts.get("options", {}))
        if options.get("armature") in names:
            options["armature"] = items[names.index(options["armature"])].name
        return Staged(items[0].name, options, items)


def _names(facts: Mapping[str, Any]) -> list[str]:
    return [str(facts.get("target", "")), *(str(name) for name in facts.get("company", ()))]


def copies(originals: list[Any]) -> list[Any]:
    """Copies of objects with their data, which hang on one another as the originals do."""
    made = []
    for one in originals:
        copy = one.copy()
        if one.data is not None:
            copy.data = one.data.copy()
        made.append(copy)
    other = dict(zip(originals, made, strict=True))
    for copy in made:
        if copy.parent in other:
            copy.parent = other[copy.parent]
        for modifier in copy.modifiers:
            if getattr(modifier, "object", None) in other:
                modifier.object = other[modifier.object]
    return made


def company(item: Any) -> list[str]:
    """Names of the objects that go wherever this one goes: its children, the meshes that an armature moves, the
    armature that moves a mesh."""
    found = list(item.children_recursive)
    found += [one.object for one in item.modifiers if one.type == "ARMATURE" and one.object is not None]
    found += [one for one in bpy.data.objects
              if any(step.type == "ARMATURE" and step.object == item for step in one.modifiers)]
    return [one.name for one in dict.fromkeys(found) if one != item]


def built(scene: Any, one: dict[str, Any]) -> Staged:
    """The same from the arrays that went in; empty where there are none to lie on."""
    if not one["stage"] or one["kind"] in ALONE:
        return Staged()
    with np.load(one["stage"], allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = str(one["facts"].get("target", "")) or one["name"] or placement.object_name(one["prompt"])
    if "vertices" in arrays:
        return _mesh(scene, name, arrays)
    if "picture" in arrays:
        image = picture(name, arrays["picture"])
        image.use_fake_user = True
        return Staged(image.name, {"picture": image.name})
    return _armature(scene, name, arrays) if "joint_heads" in arrays else Staged()


def _mesh(scene: Any, name: str, arrays: dict[str, np.ndarray]) -> Staged:
    mesh = build_mesh(name, MeshArrays.from_result(arrays), SHARP_ANGLE)
    item = bpy.data.objects.new(name, mesh)
    placement.collection_of(scene).objects.link(item)
    options: dict[str, Any] = {
        "mesh": meshes.fingerprint(arrays["faces"]), "faces": meshes.fingerprint(arrays["faces"]),
        "frame": list(placement.IDENTITY), "metres": 1.0, "uv_map": UV_NAME if "uvs" in arrays else "", "slots": [],
    }
    if "base_colour" in arrays and "uvs" in arrays:
        image = picture(name, arrays["base_colour"])
        surface = materials.textured(name, name, image, *materials.values({}))
        del surface[materials.MADE]  # it stands for the artist's own, which stays as it is
        mesh.materials.append(surface)
        options |= {"image": image.name, "slots": [0]}
    return Staged(item.name, options, [item])


def _armature(scene: Any, name: str, arrays: dict[str, np.ndarray]) -> Staged:
    skeleton = wire.skeleton.Skeleton.from_arrays(arrays)
    names = wire.naming.named(skeleton.names, "blender")
    shelf = placement.collection_of(scene)
    rig = armature.build_armature(name, skeleton, names, Matrix(), 1.0, [shelf])
    return Staged(rig.name, armature.bones_of(rig, skeleton, 1.0).to_options(), [rig])


def picture(name: str, data: np.ndarray) -> Any:
    """The bytes of a PNG or JPEG file as an image, packed."""
    encoded = data.tobytes()
    if encoded.startswith(PNG_SIGNATURE):
        return image_from_png(name, encoded)
    image = bpy.data.images.new(name, 1, 1)
    image.source = "FILE"
    image.filepath = f"//{bpy.path.clean_name(image.name)}.jpg"
    image.pack(data=encoded, data_len=len(encoded))
    return image
