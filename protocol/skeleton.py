# SPDX-License-Identifier: GPL-3.0-or-later
"""A skeleton and the skin's weights as arrays, checked: what `rig` and `avatar` deliver and `animate` takes.

Joints are numbered so that a parent comes before its children; the first is the root. Each has a head, a tail and a
rest frame whose y axis runs along the bone (only the root's need not). Everything is in metres in the frame of the
mesh. Both sides use this module: the backend before it sends, the add-on before Blender sees a bone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BadRequest

MOST_JOINTS = 4096
INFLUENCES = 4  # of a vertex; what glTF and game engines carry
LONGEST_NAME = 63  # bytes; Blender's limit for a bone
SKELETON_ARRAYS = ("joint_heads", "joint_tails", "joint_rotations", "joint_parents", "joint_names")
WEIGHT_ARRAYS = ("weights", "weight_joints")


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joints at rest.

    heads, tails (J, 3) float32 metres; rotations (J, 3, 3) float32, columns are the bone's x, y and z axes; parents
    (J,) int16, -1 for a root, else below the joint's own number; names: J different ones, 1 to 63 bytes each.

    Raises BadRequest naming the array.
    """

    heads: NDArray[np.float32]
    tails: NDArray[np.float32]
    rotations: NDArray[np.float32]
    parents: NDArray[np.int16]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 1 <= count <= MOST_JOINTS:
            raise _wrong("joint_names", f"There are {count} joints, expected 1 to {MOST_JOINTS}")
        for name, tail in (("heads", (3,)), ("tails", (3,)), ("rotations", (3, 3))):
            object.__setattr__(self, name, _floats(getattr(self, name), f"joint_{name}", (count, *tail)))
        parents = np.asarray(self.parents)
        if parents.shape != (count,) or parents.dtype.kind not in "iu":
            raise _wrong("joint_parents", f"joint_parents is {parents.dtype} {parents.shape} for {count} joints")
        if parents[0] != -1 or (parents >= np.arange(count)).any() or (parents < -1).any():
            raise _wrong("joint_parents", "A joint's parent must come before it, and the first joint has none (-1)")
        object.__setattr__(self, "parents", np.ascontiguousarray(parents, np.int16))
        if len(set(self.names)) < count:
            raise _wrong("joint_names", "Two joints have the same name")
        for name in self.names:
            if not name or "\n" in name or len(name.encode("utf-8", "replace")) > LONGEST_NAME:
                raise _wrong("joint_names", f"{name[:80]!r} cannot be a joint's name")
        turn = self.rotations.astype(np.float64)
        if np.abs(turn.transpose(0, 2, 1) @ turn - np.eye(3)).max() > 1e-3 or (np.linalg.det(turn) < 0).any():
            raise _wrong("joint_rotations", "A rest frame is not a rotation (orthogonal, right-handed)")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> NDArray[np.float32]:
        """(J,) metres from head to tail."""
        return np.asarray(np.linalg.norm(self.tails - self.heads, axis=1), np.float32)

    @property
    def rest(self) -> NDArray[np.float64]:
        """(J, 4, 4) rest frames in the mesh's frame: Blender's `bone.matrix_local`."""
        frames = np.tile(np.eye(4), (len(self), 1, 1))
        frames[:, :3, :3] = self.rotations
        frames[:, :3, 3] = self.heads
        return frames

    def index(self, name: str) -> int:
        """The number of a joint; raises BadRequest when there is none of that name."""
        if name not in self.names:
            raise _wrong("joint_names", f"The skeleton has no joint called {name!r}")
        return self.names.index(name)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As they travel."""
        return {
            "joint_heads": self.heads, "joint_tails": self.tails, "joint_rotations": self.rotations,
            "joint_parents": self.parents, "joint_names": write_names(self.names),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Skeleton:
        """Out of a result or of a job's inputs. Raises BadRequest naming what is missing or wrong."""
        for name in SKELETON_ARRAYS:
            if name not in arrays:
                raise _wrong(name, f"A skeleton needs {name}, which is missing")
        return cls(arrays["joint_heads"], arrays["joint_tails"], arrays["joint_rotations"], arrays["joint_parents"],
                   read_names(arrays["joint_names"], "joint_names"))


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each joint moves each vertex.

    values (V, 4) float32, in descending order as a rule, zero or more, rows sum to 1; joints (V, 4) uint16, 0 where
    the value is 0.

    Raises BadRequest naming the array.
    """

    values: NDArray[np.float32]
    joints: NDArray[np.uint16]

    def __post_init__(self) -> None:
        count = len(self.values)
        values = _floats(self.values, "weights", (count, INFLUENCES))
        joints = np.asarray(self.joints)
        if joints.shape != values.shape or joints.dtype.kind not in "iu":
            raise _wrong("weight_joints", f"weight_joints is {joints.dtype} {joints.shape} for weights {values.shape}")
        if count and (values.min() < 0 or np.abs(values.sum(1, dtype=np.float64) - 1).max() > 1e-3):
            raise _wrong("weights", "A vertex's weights must be zero or more and sum to 1")
        if joints.size and (joints.min() < 0 or joints.max() >= MOST_JOINTS):
            raise _wrong("weight_joints", f"weight_joints names joint {joints.max()}, there are at most {MOST_JOINTS}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "joints", np.ascontiguousarray(joints, np.uint16))

    def check(self, skeleton: Skeleton, vertices: int) -> Weights:
        """These weights, known to fit a skeleton and a mesh of so many vertices. Raises BadRequest."""
        if len(self.values) != vertices:
            raise _wrong("weights", f"There are weights for {len(self.values)} vertices, but the mesh has {vertices}")
        if self.joints.size and self.joints.max() >= len(skeleton):
            raise _wrong("weight_joints", f"weight_joints names joint {self.joints.max()} of {len(skeleton)}")
        return self

    def dense(self, joints: int) -> NDArray[np.float32]:
        """(V, joints) float32: every joint's weight at every vertex."""
        full = np.zeros((len(self.values), joints), np.float32)
        np.add.at(full, (np.arange(len(full))[:, None], self.joints.astype(np.int64)), self.values)
        return full

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As they travel."""
        return {"weights": self.values, "weight_joints": self.joints}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Weights:
        """Out of a result or of a job's inputs. Raises BadRequest naming what is missing or wrong."""
        for name in WEIGHT_ARRAYS:
            if name not in arrays:
                raise _wrong(name, f"A skin needs {name}, which is missing")
        return cls(arrays["weights"], arrays["weight_joints"])


def write_names(names: tuple[str, ...]) -> NDArray[np.uint8]:
    """|u1 (n,): names as UTF-8 lines."""
    return np.frombuffer("\n".join(names).encode(), np.uint8)


def read_names(array: NDArray[Any], path: str) -> tuple[str, ...]:
    """Names out of UTF-8 lines. Raises BadRequest when they are not."""
    try:
        return tuple(np.asarray(array, np.uint8).tobytes().decode("utf-8").split("\n"))
    except UnicodeDecodeError as problem:
        raise _wrong(path, f"{path} is not UTF-8 text ({problem})") from problem


def _floats(value: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.ascontiguousarray(value, np.float32)
    if array.shape != shape:
        raise _wrong(name, f"{name} is {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise _wrong(name, f"{name} holds numbers that are not finite")
    return array


def _wrong(name: str, text: str) -> BadRequest:
    return BadRequest(f"{text}.", path=f"inputs.{name}")
