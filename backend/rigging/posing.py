# SPDX-License-Identifier: GPL-3.0-or-later
"""A skeleton posed and its skin moved, as Blender's armature modifier does it: linear blend skinning in armature space.

Rotations are quaternions w, x, y, z relative to rest in each bone's own frame, which is what Blender's pose bones call
`rotation_quaternion`; the root may also be moved. The formulas are those of reference avatars-and-motion, section 4.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocol.skeleton import Skeleton, Weights

Floats = NDArray[np.float64]


def matrices(quaternions: NDArray[np.floating]) -> Floats:
    """(..., 3, 3) rotations of quaternions (..., 4) w, x, y, z, which need not be of unit length but not zero."""
    q = np.asarray(quaternions, np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )
    return np.stack(rows, -1).reshape(*q.shape[:-1], 3, 3)


def rotation_vectors(vectors: NDArray[np.floating]) -> Floats:
    """(..., 4) quaternions of rotation vectors (..., 3) in radians."""
    vectors = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vectors], -1)


def rigid_inverse(frames: NDArray[np.floating]) -> Floats:
    """Inverses of rigid transforms (..., 4, 4). By transposing: a general inverse of thousands of small matrices takes
    seconds where several threads share a core."""
    result = np.array(frames, np.float64)
    result[..., :3, :3] = np.swapaxes(frames[..., :3, :3], -1, -2)
    result[..., :3, 3:] = -result[..., :3, :3] @ frames[..., :3, 3:]
    return result


def pose(
    skeleton: Skeleton, quaternions: NDArray[np.floating], root: NDArray[np.floating] | None = None
) -> Floats:
    """Skinning transforms (T, J, 4, 4), rest to posed, of rotations (T, J, 4); root (T, 3) metres moves the first joint
    in the armature's frame."""
    turns = matrices(quaternions)
    rest = skeleton.rest
    back = rigid_inverse(rest)
    posed = np.empty((len(turns), len(skeleton), 4, 4))
    for joint, parent in enumerate(skeleton.parents):
        basis = np.tile(np.eye(4), (len(turns), 1, 1))
        basis[:, :3, :3] = turns[:, joint]
        if parent < 0:
            posed[:, joint] = rest[joint] @ basis
            if root is not None and joint == 0:
                posed[:, joint, :3, 3] += root
        else:
            posed[:, joint] = posed[:, parent] @ (back[parent] @ rest[joint]) @ basis
    return posed @ back


def skin(vertices: NDArray[np.floating], weights: Weights, transforms: NDArray[np.floating]) -> Floats:
    """Posed vertices (T, V, 3) of vertices (V, 3) and skinning transforms (T, J, 4, 4)."""
    points = np.concatenate([np.asarray(vertices, np.float64), np.ones((len(vertices), 1))], 1)
    values = weights.values / weights.values.sum(1, dtype=np.float64, keepdims=True)
    blended = np.einsum("vk,tvkij->tvij", values, transforms[:, weights.joints, :3])
    return np.einsum("tvij,vj->tvi", blended, points)
