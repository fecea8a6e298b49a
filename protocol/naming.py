# SPDX-License-Identifier: GPL-3.0-or-later
"""What a joint is called elsewhere: from the internal names to those of Blender, Mixamo, Rigify and Unreal, and back.

Inside Maquette a humanoid's joints have Mixamo's names without the prefix (LeftForeArm); other creatures' joints are
called in the same manner (LeftFrontUpLeg). A name that no table has keeps its words: `LeftX` becomes `X.L` where
the convention writes sides so.
"""

from __future__ import annotations

from collections.abc import Sequence

NAMINGS = ("blender", "mixamo", "rigify", "unreal")
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")

_MIDDLE = {  # internal: (blender, rigify, unreal)
    "Hips": ("Hips", "spine", "pelvis"),
    "Spine": ("Spine", "spine.001", "spine_01"),
    "Spine1": ("Chest", "spine.002", "spine_02"),
    "Spine2": ("UpperChest", "spine.003", "spine_03"),
    "Neck": ("Neck", "spine.004", "neck_01"),
    "Head": ("Head", "spine.006", "head"),
}
_SIDED = {
    "Shoulder": ("Shoulder", "shoulder", "clavicle"),
    "Arm": ("UpperArm", "upper_arm", "upperarm"),
    "ForeArm": ("LowerArm", "forearm", "lowerarm"),
    "Hand": ("Hand", "hand", "hand"),
    "UpLeg": ("UpperLeg", "thigh", "thigh"),
    "Leg": ("LowerLeg", "shin", "calf"),
    "Foot": ("Foot", "foot", "foot"),
    "ToeBase": ("Toe", "toe", "ball"),
}
_RIGIFY_FINGERS = {"Thumb": "thumb", "Index": "f_index", "Middle": "f_middle", "Ring": "f_ring", "Pinky": "f_pinky"}


def _table() -> dict[str, tuple[str, str, str]]:
    table = dict(_MIDDLE)
    for side, letter in (("Left", "L"), ("Right", "R")):
        for name, (blender, rigify, unreal) in _SIDED.items():
            table[side + name] = (f"{blender}.{letter}", f"{rigify}.{letter}", f"{unreal}_{letter.lower()}")
        for finger in FINGERS:
            for part in (1, 2, 3):
                table[f"{side}Hand{finger}{part}"] = (
                    f"{finger}{part}.{letter}", f"{_RIGIFY_FINGERS[finger]}.{part:02d}.{letter}",
                    f"{finger.lower()}_{part:02d}_{letter.lower()}",
                )
    return table


HUMANOID = _table()
"""Internal name: (blender, rigify, unreal)."""


def named(joints: Sequence[str], naming: str) -> list[str]:
    """The joints' names in a convention of `NAMINGS`. Raises KeyError for another."""
    column = {"blender": 0, "rigify": 1, "unreal": 2, "mixamo": -1}[naming]
    if column < 0:
        return [f"mixamorig:{name}" for name in joints]
    return [HUMANOID[name][column] if name in HUMANOID else _sided(name, naming) for name in joints]


def internal(bones: Sequence[str]) -> list[str]:
    """The internal names of bones of whatever convention; a name that none of ours has stays as it is."""
    back = {other: name for name, others in HUMANOID.items() for other in others}
    plain = (bone.removeprefix("mixamorig:").removeprefix("mixamorig_") for bone in bones)
    return [bone if bone in HUMANOID else back.get(bone, bone) for bone in plain]


def _sided(name: str, naming: str) -> str:
    for side, letter in (("Left", "L"), ("Right", "R")):
        if name.startswith(side) and name != side:
            return f"{name[len(side):]}_{letter.lower()}" if naming == "unreal" else f"{name[len(side):]}.{letter}"
    return name
