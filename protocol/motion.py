# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion of a skeleton as arrays: one checked dataclass that the backend fills and the scene reads.

Every joint turns in the frame of its own bone at rest, as Blender's `PoseBone.rotation_quaternion` does, so that what
travels can be keyed as it is; only the root moves. Which joints these are is said by the skeleton that goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks
from .errors import BadRequest

ROOT_MODES = ("in_place", "root_motion")
CONTACTS = ("left heel", "left toe", "right heel", "right toe")
MAX_FRAMES = 36_000  # ten minutes at 60 frames a second
CHUNK_FRAMES = 32  # a motion reaches the scene in steps of so many frames
UNIT = 1e-3  # how far a quaternion's length may be from 1


@dataclass(frozen=True, eq=False)
class Motion:
    """T frames of J joints.

    rotations: (T, J, 4) float32 unit quaternions w, x, y, z, each joint against its rest pose in its bone's own rest
    frame; of two neighbouring frames a joint's lie in the same hemisphere, so that curves between them take the short
    way. root: (T, 3) float32 metres, where the root joint's head is against its rest place, in the armature's frame.
    contacts: (T, 4) uint8, 1 where `CONTACTS` stand on the ground. fps: frames a second. loop: does the frame after
    the last equal the first, moved on by `stride` (x, y, z) metres? root_mode: one of `ROOT_MODES`.

    Raises BadRequest naming the array or field.
    """

    rotations: NDArray[np.float32]
    root: NDArray[np.float32]
    contacts: NDArray[np.uint8]
    fps: float
    loop: bool = False
    root_mode: str = "in_place"
    stride: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        check_motion(self.rotations, self.root, self.contacts)
        if not 1.0 <= self.fps <= 1000.0:
            raise BadRequest(f"A motion has 1 to 1,000 frames a second, not {self.fps:g}.", path="fps")
        if self.root_mode not in ROOT_MODES:
            raise BadRequest(f"root_mode is {self.root_mode!r}, expected {' or '.join(ROOT_MODES)}.", path="root_mode")
        object.__setattr__(self, "stride", _triple(self.stride))

    def __len__(self) -> int:
        return len(self.rotations)

    @property
    def seconds(self) -> float:
        """How long it lasts; the frame after the last of a loop is the first again."""
        return (len(self) if self.loop else len(self) - 1) / self.fps

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As a result or a preview carries it."""
        return {"motion_rotations": self.rotations, "motion_root": self.root, "motion_contacts": self.contacts}

    def facts(self) -> dict[str, Any]:
        """What a report says beside the arrays."""
        return {"fps": self.fps, "loop": self.loop, "root_mode": self.root_mode, "frames": len(self),
                "stride": list(self.stride)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Motion:
        """Out of a result's arrays and its report's `motion`. Raises BadRequest for what is missing or wrong."""
        missing = [name for name in ("motion_rotations", "motion_root") if name not in arrays]
        if missing:
            raise BadRequest(f"The motion lacks {' and '.join(missing)}.", path=missing[0])
        rotations = arrays["motion_rotations"]
        contacts = arrays.get("motion_contacts")
        if contacts is None:
            contacts = np.zeros((len(rotations) if rotations.ndim else 0, 4), np.uint8)
        fps = facts.get("fps", 30.0)
        if type(fps) not in (int, float):
            raise BadRequest("The motion's fps is no number.", path="fps")
        return cls(
            rotations, arrays["motion_root"], contacts, float(fps), facts.get("loop") is True,
            str(facts.get("root_mode", "in_place")), _triple(facts.get("stride", (0.0, 0.0, 0.0))),
        )


def _triple(value: Any) -> tuple[float, float, float]:
    numbers = checks.listing(checks.number(-1e6, 1e6), 3)(value, "stride")
    if len(numbers) != 3:
        raise BadRequest("A motion's stride has three numbers.", path="stride")
    return numbers[0], numbers[1], numbers[2]


def check_motion(rotations: NDArray[Any], root: NDArray[Any], contacts: NDArray[Any]) -> None:
    """The meaning of motion arrays, once their bytes are right. Raises BadRequest naming the array."""
    frames, joints = (*rotations.shape, 0, 0)[:2]
    wanted = {
        "motion_rotations": (rotations, np.float32, (frames, joints, 4)),
        "motion_root": (root, np.float32, (frames, 3)),
        "motion_contacts": (contacts, np.uint8, (frames, len(CONTACTS))),
    }
    for name, (array, dtype, shape) in wanted.items():
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            raise BadRequest(
                f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}.", path=name
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadRequest(f"{name} holds numbers that are not finite.", path=name)
    if not 1 <= frames <= MAX_FRAMES or joints < 1:
        raise BadRequest(f"A motion has 1 to {MAX_FRAMES:,} frames of at least one joint, not {frames} of {joints}.",
                         path="motion_rotations")
    if np.abs(np.linalg.norm(rotations, axis=-1) - 1.0).max() > UNIT:
        raise BadRequest("motion_rotations holds quaternions that are not of length 1.", path="motion_rotations")
    if ((rotations[1:] * rotations[:-1]).sum(-1) < -UNIT).any():
        raise BadRequest("motion_rotations changes the sign of a quaternion from one frame to the next.",
                         path="motion_rotations")
    if contacts.size and contacts.max() > 1:
        raise BadRequest("motion_contacts holds values besides 0 and 1.", path="motion_contacts")


def continuous(rotations: NDArray[Any]) -> NDArray[np.float32]:
    """(T, J, 4) quaternions of length 1 -> the same turns, each in the hemisphere of the frame before."""
    rotations = np.asarray(rotations, np.float32)
    flips = np.where((rotations[1:] * rotations[:-1]).sum(-1) < 0.0, -1.0, 1.0).astype(np.float32)
    return np.concatenate([rotations[:1], rotations[1:] * np.cumprod(flips, axis=0)[..., None]])
