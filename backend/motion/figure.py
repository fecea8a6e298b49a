# SPDX-License-Identifier: GPL-3.0-or-later
"""A human skeleton as motion sees it: 22 joints in known roles, their places at rest, and how the rest are carried.

Motion is said as world turns: how far each joint is turned against its rest, in the figure's frame. So it does not
matter how the bones of a skeleton are oriented, whether it rests in an A or a T, nor what else hangs on it: joints
without a role turn with the nearest joint above that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.motion.turns import Array, about, between, matrices, quaternions, transpose, unit
from protocol.errors import BadRequest
from protocol.motion import continuous
from protocol.naming import internal
from protocol.skeleton import Skeleton

ROLES = (
    "Hips", "Spine", "Spine1", "Spine2", "Neck", "Head",
    "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "RightShoulder", "RightArm", "RightForeArm", "RightHand",
    "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToeBase", "RightUpLeg", "RightLeg", "RightFoot", "RightToeBase",
)
PLACE = {name: place for place, name in enumerate(ROLES)}
PARENTS = (-1, 0, 1, 2, 3, 4, 3, 6, 7, 8, 3, 10, 11, 12, 0, 14, 15, 16, 0, 18, 19, 20)
CHILD = (1, 2, 3, 4, 5, -1, 7, 8, 9, -1, 11, 12, 13, -1, 15, 16, 17, -1, 19, 20, 21, -1)  # along the bone
NEEDED = ("Hips", "LeftArm", "LeftForeArm", "RightArm", "RightForeArm", "LeftUpLeg", "LeftLeg", "LeftFoot",
          "RightUpLeg", "RightLeg", "RightFoot")
SIDES = ("Left", "Right")
UPPER = tuple(PLACE[name] for name in ROLES[1:14])  # everything above the hips
ARM_JOINTS = tuple(PLACE[side + part] for side in SIDES for part in ("Shoulder", "Arm", "ForeArm", "Hand"))
MIRRORED = tuple(PLACE[name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")] for name in ROLES)
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True, eq=False)
class Figure:
    """skeleton: any that holds at least the `NEEDED` roles. role: (J,) the role of each joint, -1 for none."""

    skeleton: Skeleton
    role: NDArray[np.int64]

    @classmethod
    def of(cls, skeleton: Skeleton, roles: Sequence[str] | None = None) -> Figure:
        """roles: a name of `ROLES` or "" for each joint; by default from the joints' own names in any known naming.

        Raises BadRequest when a joint is missing without which nobody walks.
        """
        names = list(roles) if roles is not None else internal(skeleton.names)
        if len(names) != len(skeleton):
            raise BadRequest(f"There are roles for {len(names)} joints of {len(skeleton)}.", path="inputs.joint_roles")
        role = np.array([PLACE.get(name, -1) for name in names])
        taken = [ROLES[place] for place in role if place >= 0]
        twice = sorted({name for name in taken if taken.count(name) > 1})
        if twice:
            raise BadRequest(f"Two joints are called {', '.join(twice)}.", path="inputs.joint_roles")
        missing = [name for name in NEEDED if name not in taken]
        if missing:
            raise BadRequest(
                f"The skeleton lacks {', '.join(missing)}, or calls them by names that are not known.",
                path="inputs.joint_names", hint="Choose a bone map, or name the bones as Mixamo, Rigify or Unreal do.",
            )
        return cls(skeleton, role)

    @cached_property
    def has(self) -> NDArray[np.bool_]:
        """(22,): which roles a joint of the skeleton plays."""
        return np.isin(np.arange(len(ROLES)), self.role)

    @cached_property
    def heads(self) -> Array:
        """(22, 3) metres at rest; a role that nobody plays stands on the way between its neighbours."""
        heads = np.full((len(ROLES), 3), np.nan)
        played = self.role >= 0
        heads[self.role[played]] = self.skeleton.heads[played]
        for place in range(len(ROLES)):
            if np.isnan(heads[place, 0]):
                child = CHILD[place]
                while child >= 0 and np.isnan(heads[child, 0]):
                    child = CHILD[child]
                parent = heads[PARENTS[place]]
                if child >= 0:
                    heads[place] = (parent + heads[child]) / 2
                elif place in (PLACE["LeftToeBase"], PLACE["RightToeBase"]):
                    heads[place] = self._tail_of(PARENTS[place])
                else:
                    heads[place] = self._tail_of(PARENTS[place]) if self.has[PARENTS[place]] else parent
        return heads

    def _tail_of(self, place: int) -> Array:
        return np.asarray(self.skeleton.tails[int(np.flatnonzero(self.role == place)[0])], np.float64)

    @cached_property
    def tips(self) -> Array:
        """(22, 3): where each bone ends: at its child in `CHILD`, or at its own tail."""
        tips = np.empty_like(self.heads)
        for place, child in enumerate(CHILD):
            if child >= 0:
                tips[place] = self.heads[child]
            else:
                bone = self._tail_of(place) if self.has[place] else self.heads[place]
                step = self.heads[place] - self.heads[PARENTS[place]]
                tips[place] = bone if np.linalg.norm(bone - self.heads[place]) > 1e-6 else self.heads[place] + step / 2
        return tips

    @cached_property
    def directions(self) -> Array:
        """(22, 3) unit vectors along the bones at rest."""
        return unit(self.tips - self.heads)

    @cached_property
    def offsets(self) -> Array:
        """(22, 3): each joint against its parent in role, at rest."""
        return self.heads - self.heads[list(PARENTS)] * (np.arange(len(ROLES)) > 0)[:, None]

    @cached_property
    def ground(self) -> float:
        """Height of the floor: the lowest point of the feet's bones at rest."""
        feet = [PLACE[side + part] for side in SIDES for part in ("Foot", "ToeBase")]
        return float(min(self.heads[feet, 2].min(), self.tips[feet, 2].min()))

    @cached_property
    def leg(self) -> float:
        """Metres from hip joint to ankle along the bones, mean of both sides."""
        return float(np.mean([self.thigh[0] + self.shin[0], self.thigh[1] + self.shin[1]]))

    @cached_property
    def thigh(self) -> tuple[float, float]:
        """Metres, left and right."""
        return self._length("UpLeg"), self._length("UpLeg", "Right")

    @cached_property
    def shin(self) -> tuple[float, float]:
        """Metres, left and right."""
        return self._length("Leg"), self._length("Leg", "Right")

    @cached_property
    def arm(self) -> float:
        """Metres from shoulder joint to wrist."""
        return self._length("Arm") + self._length("ForeArm")

    def _length(self, part: str, side: str = "Left") -> float:
        place = PLACE[side + part]
        return float(np.linalg.norm(self.heads[CHILD[place]] - self.heads[place]))

    @cached_property
    def hip_height(self) -> float:
        """Metres of the hips above the floor at rest."""
        return float(self.heads[0, 2] - self.ground)

    @cached_property
    def neutral(self) -> Array:
        """(22, 3, 3): the turns from rest to standing straight, arms and legs hanging down, feet as at rest."""
        turn = np.tile(np.eye(3), (len(ROLES), 1, 1))
        for side in SIDES:
            for part in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg"):
                turn[PLACE[side + part]] = between(self.directions[PLACE[side + part]], DOWN)
            straight = PLACE[side + "Foot"]  # a foot that points outwards by much at rest is turned to the front
            out = self.directions[straight]
            yaw = np.arctan2(out[0], -out[1])
            wanted = np.clip(yaw, -0.25, 0.25)
            for part in ("Foot", "ToeBase"):
                turn[PLACE[side + part]] = about("z", wanted - yaw)
        return turn

    def positions(self, turns: Array, root: Array) -> tuple[Array, Array]:
        """World turns (T, 22, 3, 3) and the hips' way from rest (T, 3) -> heads and tips (T, 22, 3), metres."""
        heads = np.empty((*turns.shape[:-2], 3))
        heads[..., 0, :] = self.heads[0] + root
        for place in range(1, len(ROLES)):
            parent = PARENTS[place]
            heads[..., place, :] = heads[..., parent, :] + turns[..., parent, :, :] @ self.offsets[place]
        tips = heads + (turns @ (self.tips - self.heads)[:, :, None])[..., 0]
        return heads, tips

    def conform(self, turns: Array) -> Array:
        """The same turns where a role that nobody plays turns with its parent."""
        turns = turns.copy()
        for place in range(1, len(ROLES)):
            if not self.has[place]:
                turns[..., place, :, :] = turns[..., PARENTS[place], :, :]
        return turns

    @cached_property
    def carrier(self) -> NDArray[np.int64]:
        """(J,): the role whose turn each joint takes: its own, or that of the nearest joint above; -1 above the
        hips."""
        carrier = self.role.copy()
        for joint, parent in enumerate(self.skeleton.parents):
            if carrier[joint] < 0 and parent >= 0:
                carrier[joint] = carrier[parent]
        return carrier

    def all_turns(self, turns: Array, grip: Array | None = None) -> Array:
        """(T, 22, 3, 3) -> (T, J, 3, 3): world turns of every joint; grip (T, 2), 0..1, closes fingers where there are
        any."""
        every = np.where(self.carrier[:, None, None] >= 0, turns[:, np.maximum(self.carrier, 0)], np.eye(3))
        if grip is not None:
            for joint, (side, axis, share) in self.fingers.items():
                above = every[:, self.skeleton.parents[joint]]
                every[:, joint] = above @ _axis_turn(axis, grip[:, side] * share)
        return np.asarray(every)

    @cached_property
    def fingers(self) -> dict[int, tuple[int, Array, float]]:
        """Joint -> (side, axis of bending at rest, radians when closed), for skeletons with fingers."""
        names = internal(self.skeleton.names)
        found: dict[int, tuple[int, Array, float]] = {}
        for side, word in enumerate(SIDES):
            knuckles = {name: place for place, name in enumerate(names) if name.startswith(word + "Hand")}
            first, last = knuckles.get(f"{word}HandIndex1"), knuckles.get(f"{word}HandPinky1")
            if first is None or last is None:
                continue
            across = self.skeleton.heads[first] - self.skeleton.heads[last]
            along = self.directions[PLACE[word + "Hand"]]
            palm = unit(np.cross(along, across)) * (1 if side == 0 else -1)
            axis = unit(np.cross(along, palm))
            for name, joint in knuckles.items():
                part = name.removeprefix(word + "Hand")
                if part and self.role[joint] < 0:
                    found[joint] = (side, axis, 0.35 if part.startswith("Thumb") else 1.25)
        return found

    def keys(
        self, turns: Array, root: Array, grip: Array | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What Blender keys: (T, J, 4) turns of each joint in its bone's rest frame, sign-continuous, and (T, 3) the
        way of the root joint. With world turns G and rest frames R: R^T G_parent^T G R."""
        every = self.all_turns(turns, grip)
        above = np.where(self.skeleton.parents[:, None, None] >= 0, every[:, np.maximum(self.skeleton.parents, 0)],
                         np.eye(3))
        rest = self.skeleton.rotations.astype(np.float64)
        local = transpose(rest) @ transpose(above) @ every @ rest
        return continuous(quaternions(local).astype(np.float32)), np.ascontiguousarray(root, np.float32)

    def turns_of(self, rotations: NDArray[np.float32], root: NDArray[np.float32]) -> tuple[Array, Array]:
        """The inverse of `keys`: joint rotations in bone frames -> world turns of the roles and the hips' way."""
        rest = self.skeleton.rotations.astype(np.float64)
        local = rest @ matrices(rotations) @ transpose(rest)
        every = np.empty_like(local)
        heads = np.empty((*local.shape[:2], 3))
        for joint, parent in enumerate(self.skeleton.parents):
            if parent < 0:
                every[:, joint] = local[:, joint]
                heads[:, joint] = self.skeleton.heads[joint] + (root if joint == 0 else 0.0)
            else:
                every[:, joint] = every[:, parent] @ local[:, joint]
                step = self.skeleton.heads[joint].astype(np.float64) - self.skeleton.heads[parent]
                heads[:, joint] = heads[:, parent] + every[:, parent] @ step
        turns = np.tile(np.eye(3), (len(rotations), len(ROLES), 1, 1))
        for joint, place in enumerate(self.role):
            if place >= 0:
                turns[:, place] = every[:, joint]
        hips = int(np.flatnonzero(self.role == 0)[0])
        return self.conform(turns), heads[:, hips] - self.skeleton.heads[hips]


def _axis_turn(axis: Array, angle: Array) -> Array:
    """(3,), (T,) -> (T, 3, 3), Rodrigues."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * k + (1 - c) * (k @ k))
