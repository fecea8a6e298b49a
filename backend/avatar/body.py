# SPDX-License-Identifier: GPL-3.0-or-later
"""The parametric body that ships with the product: sliders in, a rest mesh with skeleton and weights out, NumPy only.

The asset (`data/body.npz`, made by `distil`) holds a body that is multilinear in six sliders as its values at the
288 corners of their anchors, compressed to a few dozen shapes, and local sliders as shapes that are added. Rest frames
come back from heads and tails with one constant turn per bone (reference: avatars and motion, section 3.3). Metres,
Z up, facing -Y, in an A-pose of about 45 degrees; evaluated bodies stand on z = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

ASSET = Path(__file__).parent / "data" / "body.npz"
AXES: dict[str, tuple[float, ...]] = {
    "gender": (0.0, 1.0),  # 0 male, 1 female
    "age": (0.0, 1 / 3, 2 / 3, 1.0),  # baby, child, young adult, old
    "muscle": (0.0, 0.5, 1.0),
    "weight": (0.0, 0.5, 1.0),
    "height": (0.0, 1.0),
    "proportions": (0.0, 1.0),  # 0 ideal, 1 uncommon
}
"""The six main sliders, 0..1, with the anchors between which the body is linear in each."""
LOCALS = (
    "shoulders", "chest", "belly", "waist", "hips", "legs", "arms", "upper_arms", "thighs", "neck", "neck_width",
    "head", "face_width", "chin", "nose", "ears", "hands", "feet",
)  # fmt: skip
"""Local sliders, -1..1; 0 leaves the body as it is."""
BEYOND: dict[str, float] = {"weight": 1.8, "belly": 1.6}
"""Sliders that may go on in a straight line past 1, up to here: the data ends with people who are merely stout."""
ADULT: dict[str, float] = {"gender": 0.5, "age": 0.7, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.0}
"""The neutral body: an ordinary young adult between the sexes."""
INFLUENCES = 4  # joints a vertex follows at most; the fifth of the source moves nothing by more than 0.2 % of the size
# Kinds of face in `BodyAsset.face_parts`.
SKIN, HEAD, HAND, FOOT, EYE, CAVITY, TONGUE = range(7)


@dataclass(frozen=True, eq=False)
class BodyAsset:
    """What all bodies share.

    faces (F, 4) int32 quads, counter-clockwise from outside; uvs (T, 2) float32 with face_uvs (F, 4) int32, v up;
    face_parts (F,) uint8, which of SKIN, HEAD, HAND, FOOT, EYE, CAVITY, TONGUE; weights (V, 4) float32, rows sum to 1,
    with weight_joints (V, 4) int32; names (J,) and parents (J,) int32 of the joints, -1 for the root, parents first;
    lips (V,) float32 0..1, where those are.
    """

    faces: NDArray[np.int32]
    uvs: Floats
    face_uvs: NDArray[np.int32]
    face_parts: NDArray[np.uint8]
    weights: Floats
    weight_joints: NDArray[np.int32]
    names: tuple[str, ...]
    parents: NDArray[np.int32]
    lips: Floats
    licence: str
    _mean: Doubles = field(repr=False)
    _corners: Doubles = field(repr=False)
    _basis: Floats = field(repr=False)
    _locals: Floats = field(repr=False)
    _roll: Doubles = field(repr=False)

    @classmethod
    def load(cls, path: Path = ASSET) -> BodyAsset:
        """The asset from its file. Raises FileNotFoundError."""
        with np.load(path) as data:
            weights, joints = _strongest(data["weights"].astype(np.float64), data["weight_joints"].astype(np.int32))
            features = dict(zip(data["feature_names"].tolist(), data["features"].astype(np.float32) / 255, strict=True))
            stored = data["local_names"].tolist()
            if stored != list(LOCALS):
                raise ValueError(f"{path.name} has the local sliders {stored}, expected {list(LOCALS)}")
            return cls(
                data["faces"].astype(np.int32), data["uvs"].astype(np.float32), data["face_uvs"].astype(np.int32),
                data["face_parts"], weights, joints, tuple(data["names"].tolist()), data["parents"].astype(np.int32),
                features["lips"], str(data["licence"]), data["mean"].astype(np.float64).reshape(-1),
                data["corners"].astype(np.float64), data["basis"].astype(np.float32),
                data["locals"].astype(np.float32).reshape(len(stored), 2, -1), data["roll"].astype(np.float64),
            )  # fmt: skip

    @cached_property
    def triangles(self) -> NDArray[np.int32]:
        """(2F, 3) the quads cut along their first diagonal, the two halves of a quad in turn."""
        return np.stack([self.faces[:, [0, 1, 2]], self.faces[:, [0, 2, 3]]], 1).reshape(-1, 3)

    def joint(self, name: str) -> int:
        """Index of a joint by its name, without any prefix. Raises KeyError."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(name) from None

    def evaluate(self, sliders: Mapping[str, float] | None = None, scale: float = 1.0) -> Body:
        """The body of these sliders; those not named keep their value of ADULT, or 0 if local. `scale` multiplies its
        size. Raises ValueError naming a slider that is unknown, out of range or not finite."""
        values = {**ADULT, **dict.fromkeys(LOCALS, 0.0), **(sliders or {})}
        for name, value in values.items():
            low = 0.0 if name in AXES else -1.0
            if name not in AXES and name not in LOCALS:
                raise ValueError(f"the body has no slider {name!r}, only {', '.join((*AXES, *LOCALS))}")
            if not low <= value <= BEYOND.get(name, 1.0):
                raise ValueError(f"slider {name} is {value}, expected {low:g} to {BEYOND.get(name, 1.0):g}")
        points = self._mean + (corner_weights(values) @ self._corners).astype(np.float32) @ self._basis
        for shapes, name in zip(self._locals, LOCALS, strict=True):
            if values[name]:
                points = points + abs(values[name]) * shapes[0 if values[name] > 0 else 1]
        points = points.reshape(-1, 3) * scale
        joints = len(self.names)
        skin = points[: -2 * joints]
        points = points - [0.0, 0.0, skin[:, 2].min()]
        vertices, heads, tails = points[: -2 * joints], points[-2 * joints : -joints], points[-joints:]
        return Body(self, vertices.astype(np.float32), heads, tails, rest_frames(heads, tails, self._roll))


@dataclass(frozen=True, eq=False)
class Body:
    """One body at rest.

    vertices (V, 3) float32; heads and tails (J, 3) float64 of the bones; rest (J, 4, 4) float64, the bones' frames in
    the body's space: y along the bone but for the root, whose turn is the identity. All metres, standing on z = 0.
    """

    asset: BodyAsset
    vertices: Floats
    heads: Doubles
    tails: Doubles
    rest: Doubles

    @property
    def height(self) -> float:
        """Metres from the soles to the crown."""
        return float(np.ptp(self.vertices[:, 2]))

    def transforms(self, rotations: Doubles, offset: Doubles | None = None) -> Doubles:
        """(J, 4, 4) skinning transforms, rest to posed, of rotations (J, 3, 3) of each joint relative to its rest pose
        in the bone's own frame; `offset` (3,) moves the root, metres in the body's space."""
        rest, parents = self.rest, self.asset.parents
        posed = np.empty_like(rest)
        turn = np.tile(np.eye(4), (len(rest), 1, 1))
        turn[:, :3, :3] = rotations
        for j, parent in enumerate(parents):
            posed[j] = (rest[j] if parent < 0 else posed[parent] @ inverse(rest[parent]) @ rest[j]) @ turn[j]
            if parent < 0 and offset is not None:
                posed[j, :3, 3] += offset
        return posed @ inverse(rest)

    def skin(self, transforms: Doubles) -> Floats:
        """(V, 3) float32: the vertices after linear blend skinning with transforms (J, 4, 4)."""
        return skin(self.vertices, self.asset.weights, self.asset.weight_joints, transforms)


def skin(points: Floats, weights: Floats, joints: NDArray[np.integer[Any]], transforms: Doubles) -> Floats:
    """Linear blend skinning: points (N, 3), weights and joints (N, K), transforms (J, 4, 4). Returns (N, 3) float32."""
    blended = np.einsum("nk,nkij->nij", weights.astype(np.float64), transforms[joints][..., :3, :])
    return (np.einsum("nij,nj->ni", blended[..., :3], points.astype(np.float64)) + blended[..., 3]).astype(np.float32)


@lru_cache(maxsize=1)
def body_asset() -> BodyAsset:
    """The shipped asset, read once a process."""
    return BodyAsset.load()


def corner_weights(sliders: Mapping[str, float]) -> Doubles:
    """(288,) share of each corner of the grid of anchors, sums to 1."""
    weights = np.ones(1)
    for name, anchors in AXES.items():
        shares = np.array([np.interp(sliders[name], anchors, row) for row in np.eye(len(anchors))])
        if (past := sliders[name] - anchors[-1]) > 0:  # in a straight line through the last two
            step = past / (anchors[-1] - anchors[-2])
            shares[-2], shares[-1] = -step, 1.0 + step
        weights = np.outer(weights, shares).ravel()
    return weights


def min_rotation(start: Doubles, end: Doubles) -> Doubles:
    """(..., 3, 3): the smallest rotation that turns direction `start` (..., 3) into `end`; not for opposite ones."""
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (np.asarray(start, np.float64), end))
    x, y, z = np.moveaxis(np.cross(a, b), -1, 0)
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return np.eye(3) + k + k @ k / (1 + (a * b).sum(-1))[..., None, None]


def rest_frames(heads: Doubles, tails: Doubles, roll: Doubles) -> Doubles:
    """(J, 4, 4) frames of bones from heads and tails (J, 3) and their constant turns `roll` (J, 3, 3); the root keeps
    the identity rotation."""
    rest = np.tile(np.eye(4), (len(heads), 1, 1))
    swing = min_rotation(np.broadcast_to([0.0, 1.0, 0.0], heads.shape), tails - heads)
    rest[1:, :3, :3] = (swing @ roll)[1:]
    rest[:, :3, 3] = heads
    return rest


def inverse(rigid: Doubles) -> Doubles:
    """Inverse of rigid transforms (..., 4, 4)."""
    out = np.array(rigid)
    out[..., :3, :3] = np.swapaxes(rigid[..., :3, :3], -1, -2)
    out[..., :3, 3:] = -out[..., :3, :3] @ rigid[..., :3, 3:]
    return out


def _strongest(weights: Doubles, joints: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32]]:
    """The INFLUENCES strongest joints of each vertex, normalised."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(weights, order, 1)
    kept /= kept.sum(1, keepdims=True)
    return kept.astype(np.float32), np.take_along_axis(joints, order, 1)
