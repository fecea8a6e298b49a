# SPDX-License-Identifier: GPL-3.0-or-later
"""An armature that the artist has -> joints in metres, upright and facing forward, with the roles that they play.

Armatures come with their own units, axes and scale (an FBX of Mixamo lies on its back at 1/100); what goes out is what
stands in the world, turned about Z so that the left hip is on +X. `Bones` keeps how to get back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from .. import wire

MIXED_SCALE = 0.01  # how much the scales of three axes may differ
JOINT_PROPERTY = "maquette_joint"
"""Custom property of a bone: the internal name of its joint, where this add-on made it."""
FINGER = "Hand"


@dataclass(frozen=True)
class Bones:
    """names: of the bones in the order of the motion's joints. frame (3, 3): from the armature's axes to those of the
    motion, row by row; scale: metres of a unit of the armature. rest (3, 3): the first bone's rest axes in the
    armature."""

    names: tuple[str, ...]
    frame: tuple[float, ...]
    scale: float
    rest: tuple[float, ...]

    def to_options(self) -> dict[str, Any]:
        """As plain values."""
        return {"bones": list(self.names), "frame": list(self.frame), "scale": self.scale, "rest": list(self.rest)}

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Bones:
        """Raises BadRequest when the options are those of something else."""
        try:
            names = tuple(str(name) for name in options["bones"])
            frame, rest = (tuple(float(one) for one in options[key]) for key in ("frame", "rest"))
            scale = float(options["scale"])
        except (KeyError, TypeError, ValueError) as problem:
            raise wire.errors.BadRequest("It is not known any more which bones were animated.", path="options",
                                         hint="Animate the armature again.") from problem
        if not names or len(frame) != 9 or len(rest) != 9 or not scale > 0:
            raise wire.errors.BadRequest("It is not known any more which bones were animated.", path="options")
        return cls(names, frame, scale, rest)

    def to_bone(self, root: np.ndarray, local: bool) -> np.ndarray:
        """(T, 3): metres of the motion as the first bone's location; local: in its rest axes, as is Blender's
        default, else in the armature's."""
        way = root.astype(np.float64) @ np.reshape(self.frame, (3, 3)) / self.scale
        return way @ np.reshape(self.rest, (3, 3)) if local else way

    def from_bone(self, location: np.ndarray, local: bool) -> np.ndarray:
        """The inverse of `to_bone`."""
        way = location.astype(np.float64)
        way = way @ np.reshape(self.rest, (3, 3)).T if local else way
        return way @ np.reshape(self.frame, (3, 3)).T * self.scale


def find(name: str) -> Any:
    """The armature object of this name. Raises BadRequest."""
    rig = bpy.data.objects.get(name)
    if rig is None or rig.type != "ARMATURE":
        raise wire.errors.BadRequest(f"There is no armature called {name} any more.", path="target",
                                     hint="Select an armature and animate it again.")
    return rig


def chosen(context: Any) -> Any:
    """The active armature, or the one that moves the active mesh. Raises BadRequest when there is none."""
    item = context.view_layer.objects.active
    if item is not None and item.type == "MESH":
        item = next((one.object for one in item.modifiers if one.type == "ARMATURE" and one.object), item.parent)
    if item is None or item.type != "ARMATURE":
        raise wire.errors.BadRequest("Select the armature that is to move, or a mesh that it moves", path="target")
    if item.library is not None or item.data.library is not None:
        raise wire.errors.BadRequest(f"{item.name} is linked from another file; make it local first", path="target")
    return item


def captured(rig: Any, bone_map: Mapping[str, str] | None = None) -> tuple[Bones, dict[str, np.ndarray]]:
    """How to get back, and the arrays of an animate job: joint_heads, joint_tails, joint_rotations, joint_parents,
    joint_names (the bones' own) and joint_roles. bone_map: role -> bone; None guesses. Raises BadRequest."""
    every = list(rig.data.bones)
    every.sort(key=lambda bone: len(bone.parent_recursive))
    names = [bone.name for bone in every]
    parents = [names.index(bone.parent.name) if bone.parent is not None else -1 for bone in every]
    roles = roles_of(every, names, parents, bone_map)
    human = "Hips" in roles
    wanted = [n for n, role in enumerate(roles) if role] if human else list(range(len(names)))
    if human:  # the hips carry the way; what stands above them is not touched
        hips = roles.index("Hips")
        wanted = [n for n in wanted if n == hips or hips in _above(parents, n)]
        wanted.sort(key=lambda n: (n != hips, n))
    if not wanted:
        raise wire.errors.BadRequest(f"{rig.name} has no bones", path="target")
    scale, frame = _frame(rig, every, roles)
    turn = np.array([[list(row) for row in bone.matrix_local.to_3x3()] for bone in every])
    heads = np.array([bone.head_local for bone in every]) @ frame.T * scale
    tails = np.array([bone.tail_local for bone in every]) @ frame.T * scale
    place = {n: number for number, n in enumerate(wanted)}
    nearest = [next((place[a] for a in _above(parents, n) if a in place), -1) for n in wanted]
    # A second root (props, helpers) hangs on the first, which changes nothing of how it rests.
    nearest = [-1 if number == 0 else max(one, 0) for number, one in enumerate(nearest)]
    bones = Bones(tuple(names[n] for n in wanted), tuple(float(x) for x in frame.ravel()), float(scale),
                  tuple(float(x) for x in turn[wanted[0]].ravel()))
    arrays = {
        "joint_heads": heads[wanted].astype(np.float32), "joint_tails": tails[wanted].astype(np.float32),
        "joint_rotations": (frame @ turn[wanted]).astype(np.float32),
        "joint_parents": np.array(nearest, np.int16), "joint_names": wire.skeleton.write_names(bones.names),
        "joint_roles": wire.skeleton.write_names(tuple(roles[n] for n in wanted)),
    }
    wire.skeleton.Skeleton.from_arrays(arrays)  # raises when Blender holds what is no skeleton
    return bones, arrays


def roles_of(
    bones: Sequence[Any], names: Sequence[str], parents: Sequence[int], bone_map: Mapping[str, str] | None
) -> list[str]:
    """A role for each bone, "" for none: as mapped, as written on our own bones, or guessed."""
    if bone_map:
        roles = wire.bonemap.of_map(names, bone_map)
    elif any(JOINT_PROPERTY in bone for bone in bones):
        roles = [str(bone.get(JOINT_PROPERTY, "")) for bone in bones]
    else:
        roles = wire.bonemap.guess(names, parents)
        for number, name in enumerate(wire.naming.internal(names)):
            if not roles[number] and FINGER in name and name in wire.naming.HUMANOID and name not in roles:
                roles[number] = name
    return roles


def _above(parents: Sequence[int], number: int) -> list[int]:
    chain = []
    while parents[number] >= 0:
        number = parents[number]
        chain.append(number)
    return chain


def _frame(rig: Any, bones: Sequence[Any], roles: Sequence[str]) -> tuple[float, np.ndarray]:
    """(metres of a unit, (3, 3) from the armature's axes to upright ones with the left hip on +X)."""
    _place, rotation, scale = rig.matrix_world.decompose()
    sizes = np.abs(np.array(scale))
    if min(scale) <= 0 or rig.matrix_world.determinant() < 0:
        raise wire.errors.BadRequest(f"{rig.name} is mirrored or has no size; apply its scale first", path="target")
    if sizes.max() - sizes.min() > MIXED_SCALE * sizes.max():
        raise wire.errors.BadRequest(f"{rig.name} is scaled differently along its axes; apply its scale first",
                                     path="target")
    frame = np.array(rotation.to_matrix())
    if "LeftUpLeg" in roles and "RightUpLeg" in roles:
        across = frame @ (np.array(bones[roles.index("LeftUpLeg")].head_local)
                          - np.array(bones[roles.index("RightUpLeg")].head_local))
        yaw = -np.arctan2(across[1], across[0])
        c, s = np.cos(yaw), np.sin(yaw)
        frame = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ frame
    return float(sizes.mean()) * float(bpy.context.scene.unit_settings.scale_length), frame
