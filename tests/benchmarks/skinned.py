# SPDX-License-Identifier: GPL-3.0-or-later
"""Skinned meshes out of glTF files with the weights that somebody made by hand: the truth of the rigging benchmark."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Skinned:
    """vertices (V, 3) metres, Z up, welded, in bind pose; faces (F, 3); weights (V, J) rows sum to 1; joints (J, 3)
    their heads; parents (J,); names."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    weights: NDArray[np.float64]
    joints: NDArray[np.float64]
    frames: NDArray[np.float64]
    parents: NDArray[np.int64]
    names: tuple[str, ...]


def read_skinned(path: Path) -> Skinned:
    """All skinned meshes of a file as one, standing as they were bound."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    scene = json.loads(data[20 : 20 + length])
    binary = data[28 + length :]
    nodes = scene["nodes"]
    parent = {child: at for at, node in enumerate(nodes) for child in node.get("children", ())}
    skin = scene["skins"][0]
    joints: list[int] = skin["joints"]
    bind = _array(scene, binary, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
    world = np.linalg.inv(bind)
    up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    vertices, faces, weights, total = [], [], [], 0
    for node in nodes:
        if "skin" not in node or "mesh" not in node:
            continue
        own = scene["skins"][node["skin"]]["joints"]
        for part in scene["meshes"][node["mesh"]]["primitives"]:
            names = part["attributes"]
            points = _array(scene, binary, names["POSITION"]).astype(np.float64)
            index = _array(scene, binary, names["JOINTS_0"]).astype(np.int64)
            share = _array(scene, binary, names["WEIGHTS_0"]).astype(np.float64)
            full = np.zeros((len(points), len(joints)))
            number = np.array([joints.index(one) for one in own])
            np.add.at(full, (np.arange(len(points))[:, None], number[index]), share)
            vertices.append(points)
            weights.append(full / full.sum(1, keepdims=True))
            faces.append(_array(scene, binary, part["indices"]).astype(np.int64).reshape(-1, 3) + total)
            total += len(points)
    points, skinned = np.concatenate(vertices), np.concatenate(weights)
    _, first, group = np.unique(np.round(points, 6), axis=0, return_index=True, return_inverse=True)
    parents = np.array([joints.index(parent[j]) if parent.get(j) in joints else -1 for j in joints])
    frames = np.tile(np.eye(4), (len(joints), 1, 1))
    frames[:, :3, :3], frames[:, :3, 3] = up @ world[:, :3, :3], world[:, :3, 3] @ up.T
    return Skinned(
        points[first] @ up.T, group.reshape(-1)[np.concatenate(faces)], skinned[first], frames[:, :3, 3], frames,
        parents, tuple(nodes[j].get("name", str(j)) for j in joints),
    )


def _array(scene: dict[str, Any], binary: bytes, index: int) -> NDArray[Any]:
    one = scene["accessors"][index]
    view = scene["bufferViews"][one["bufferView"]]
    width, dtype = WIDTHS[one["type"]], np.dtype(TYPES[one["componentType"]])
    start = view.get("byteOffset", 0) + one.get("byteOffset", 0)
    stride = view.get("byteStride", width * dtype.itemsize)
    raw = np.frombuffer(binary, np.uint8, stride * (one["count"] - 1) + width * dtype.itemsize, start)
    rows = np.lib.stride_tricks.as_strided(raw, (one["count"], width * dtype.itemsize), (stride, 1))
    values = np.ascontiguousarray(rows).view(dtype).reshape(one["count"], width)
    if one.get("normalized"):
        values = values / np.iinfo(dtype).max
    return values.reshape(-1) if width == 1 else values
