# SPDX-License-Identifier: GPL-3.0-or-later
"""Rig: a mesh gets a skeleton and the weights that tie it to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .base import Input, Spec

CREATURES = ("auto", "humanoid", "quadruped", "bird", "snake", "spider", "fish", "prop")
NAMINGS = ("blender", "mixamo", "rigify", "unreal")
FRONTS = ("auto", "-y", "+y", "-x", "+x")
SKELETON_INPUTS = (
    Input("joint_heads", ("<f4",), (None, 3), required=False),
    Input("joint_tails", ("<f4",), (None, 3), required=False),
    Input("joint_rotations", ("<f4",), (None, 3, 3), required=False),
    Input("joint_parents", ("<i2",), (None,), required=False),
    Input("joint_names", ("|u1",), (None,), required=False, maximum=1 << 20),
)
MARKERS = {
    "humanoid": ("chin", "groin", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_knee", "right_knee"),
    "quadruped": ("nose", "tail_tip", "left_front_foot", "right_front_foot", "left_hind_foot", "right_hind_foot"),
    "bird": ("nose", "tail_tip", "left_wing_tip", "right_wing_tip", "left_foot", "right_foot"),
    "snake": ("nose", "tail_tip"),
    "spider": ("nose", "tail_tip"),
    "fish": ("nose", "tail_tip"),
    "prop": (),
}
"""Places that an artist can mark, class by class; left and right are the creature's own. Any of them may be missing,
but a humanoid is fitted again only to all eight."""


@dataclass(frozen=True)
class RigSpec(Spec):
    """A mesh gets a skeleton and weights.

    creature: the kind of skeleton; `auto` looks at the shape. naming: how the bones are called in the scene: `blender`
    (UpperArm.L), `mixamo` (mixamorig:LeftArm), `rigify` (upper_arm.L) or `unreal` (upperarm_l); `joint_names` of the
    result are always the internal ones (LeftArm). front: where the creature looks, in the mesh's frame; `auto`
    guesses. fingers: whether a humanoid gets finger bones. detail: voxels along the longest side for the weights, 32
    to 256, 0 for a choice by the mesh. effort: 0.1 to 4, multiplies the steps of the body's fit. name: of the object
    in the scene, at most 63 characters.

    Inputs: the mesh (vertices in metres, Z up; faces); markers (N, 3) points and marker_names, N UTF-8 lines out of
    `MARKERS` of the creature; or a skeleton (all joint_ arrays), which is then only bound.

    Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "rig"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("vertices", ("<f4",), (None, 3)),
        Input("faces", ("<i4",), (None, 3)),
        Input("markers", ("<f4",), (None, 3), required=False),
        Input("marker_names", ("|u1",), (None,), required=False, maximum=1 << 16),
        *SKELETON_INPUTS,
    )

    creature: str = "auto"
    naming: str = "blender"
    front: str = "auto"
    fingers: bool = True
    detail: int = 0
    effort: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        checks.one_of(*CREATURES)(self.creature, "creature")
        checks.one_of(*NAMINGS)(self.naming, "naming")
        checks.one_of(*FRONTS)(self.front, "front")
        checks.boolean(self.fingers, "fingers")
        checks.integer(0, 256)(self.detail, "detail")
        if self.detail:
            checks.integer(32, 256)(self.detail, "detail")
        object.__setattr__(self, "effort", checks.number(0.1, 4.0)(self.effort, "effort"))
        checks.text(63, printable=True)(self.name, "name")

    @property
    def title(self) -> str:
        """The object's name and what is done to it."""
        return " ".join(f"{self.name}: rig".split()) if self.name else "rig"
