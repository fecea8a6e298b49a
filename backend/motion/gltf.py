# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons with their motions out of binary glTF files (glb), as far as motion needs them.

Nodes, skins and animations with STEP, LINEAR and CUBICSPLINE samplers; meshes, materials and morph targets are passed
over. glTF is Y up and metres; what comes out is Z up, facing -Y where the file faces +Z, as glTF says it should.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.motion.turns import Array, matrices, transpose
from protocol.errors import BadRequest

TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
SHARES = {"<i1": 127.0, "<u1": 255.0, "<i2": 32767.0, "<u2": 65535.0}  # of normalised integers
UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # (x, y, z) -> (x, -z, y)
MOST_BYTES = 512 << 20


@dataclass(frozen=True, eq=False)
class Recording:
    """names, parents of the joints (parents first). rest (J, 4, 4): bind frames, metres, Z up. clips: name ->
    (T, J, 4, 4) frames of all joints at `fps`."""

    names: list[str]
    parents: list[int]
    rest: Array
    clips: dict[str, Array]
    fps: float


def read_glb(path: Path, fps: float = 30.0) -> Recording:
    """Every animation of the file's largest skin. Raises BadRequest for files that cannot be used."""
    document, blob = _open(path)
    nodes = document.get("nodes", [])
    skins = document.get("skins", [])
    if not skins:
        raise _bad(path, "it has no skin, so nobody knows which of its nodes are joints")
    skin = max(skins, key=lambda one: len(one.get("joints", ())))
    parent_of = {child: number for number, node in enumerate(nodes) for child in node.get("children", ())}
    joints = set(skin["joints"])
    order = [number for number in _parents_first(nodes, parent_of) if number in joints]
    above = [_nearest(parent_of, number, joints) for number in order]
    parents = [order.index(one) if one >= 0 else -1 for one in above]
    inverse = {}
    if "inverseBindMatrices" in skin:
        table = _accessor(document, blob, skin["inverseBindMatrices"], path).reshape(-1, 4, 4).transpose(0, 2, 1)
        inverse = dict(zip(skin["joints"], table, strict=False))
    still = _worlds(nodes, parent_of, {})
    rest = np.stack([np.linalg.inv(inverse[one].astype(np.float64)) if one in inverse else still[one][0]
                     for one in order])
    clips = {}
    for number, animation in enumerate(document.get("animations", [])):
        name = str(animation.get("name") or f"clip {number}")
        tracks, seconds = _tracks(document, blob, animation, fps, path)
        count = max(2, round(seconds * fps) + 1)
        worlds = _worlds(nodes, parent_of, tracks)
        clips[name] = _upright(np.stack([np.broadcast_to(worlds[one], (count, 4, 4)) for one in order], 1))
    return Recording([str(nodes[one].get("name", f"joint{one}")) for one in order], parents, _upright(rest), clips, fps)


def _open(path: Path) -> tuple[dict[str, Any], bytes]:
    if path.stat().st_size > MOST_BYTES:
        raise _bad(path, f"it is larger than {MOST_BYTES >> 20} MiB")
    data = path.read_bytes()
    try:
        magic, version, _ = struct.unpack_from("<4sII", data, 0)
        if magic != b"glTF" or version != 2:
            raise _bad(path, "it is no binary glTF 2.0")
        length, kind = struct.unpack_from("<I4s", data, 12)
        if kind != b"JSON":
            raise _bad(path, "its first chunk is not JSON")
        document = json.loads(data[20 : 20 + length])
        begin = 20 + length
        blob = b""
        if begin + 8 <= len(data):
            size, kind = struct.unpack_from("<I4s", data, begin)
            blob = data[begin + 8 : begin + 8 + size] if kind == b"BIN\0" else b""
    except (struct.error, ValueError) as problem:
        raise _bad(path, f"it is damaged ({problem})") from problem
    if not isinstance(document, dict):
        raise _bad(path, "its JSON is no map")
    return document, blob


def _bad(path: Path, why: str) -> BadRequest:
    return BadRequest(f"{path.name} cannot be read: {why}.", path="MAQUETTE_MOTION_FOLDER",
                      hint="Export it again as glTF Binary (.glb) with its armature and animations, or take it out.")


def _accessor(document: dict[str, Any], blob: bytes, number: int, path: Path) -> NDArray[Any]:
    try:
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        kind, width = TYPES[accessor["componentType"]], WIDTHS[accessor["type"]]
        begin = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        size = np.dtype(kind).itemsize
        step = view.get("byteStride") or size * width
        count = int(accessor["count"])
        raw = np.frombuffer(blob, np.uint8)
        index = begin + np.arange(count)[:, None] * step + np.arange(size * width)
        values = np.ascontiguousarray(raw[index]).view(kind).reshape(count, width)
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise _bad(path, f"accessor {number} is damaged ({problem})") from problem
    if accessor.get("normalized") and kind in SHARES:
        return np.asarray(np.maximum(values.astype(np.float64) / SHARES[kind], -1.0))
    return values.astype(np.float64)


def _parents_first(nodes: list[dict[str, Any]], parent_of: dict[int, int]) -> list[int]:
    order: list[int] = []
    open_ = [number for number in range(len(nodes)) if number not in parent_of]
    while open_:
        number = open_.pop(0)
        if number in order:
            break  # a loop, which glTF forbids
        order.append(number)
        open_ += [child for child in nodes[number].get("children", ()) if 0 <= child < len(nodes)]
    return order


def _nearest(parent_of: dict[int, int], number: int, joints: set[int]) -> int:
    above = parent_of.get(number, -1)
    while above >= 0 and above not in joints:
        above = parent_of.get(above, -1)
    return above


def _tracks(
    document: dict[str, Any], blob: bytes, animation: dict[str, Any], fps: float, path: Path
) -> tuple[dict[tuple[int, str], Array], float]:
    """(node, property) -> values at every frame, and how long the animation lasts."""
    raw: list[tuple[int, str, str, Array, Array]] = []
    first, last = np.inf, 0.0
    for channel in animation.get("channels", ()):
        target = channel.get("target", {})
        if "node" not in target or target.get("path") not in ("rotation", "translation", "scale"):
            continue
        sampler = animation["samplers"][channel["sampler"]]
        times = _accessor(document, blob, sampler["input"], path)[:, 0]
        values = _accessor(document, blob, sampler["output"], path)
        raw.append((target["node"], target["path"], sampler.get("interpolation", "LINEAR"), times, values))
        first, last = min(first, float(times[0])), max(last, float(times[-1]))
    if not raw:
        return {}, 0.0
    seconds = last - first
    at = first + np.arange(max(2, round(seconds * fps) + 1)) / fps
    return {(node, what): _sampled(kind, times, values, at, what == "rotation")
            for node, what, kind, times, values in raw}, seconds


def _sampled(kind: str, times: Array, values: Array, at: Array, turning: bool) -> Array:
    """Values (N, 3 or 4) at other times, in the sampler's own way."""
    if kind == "CUBICSPLINE":
        tangent_in, values, tangent_out = (values.reshape(len(times), 3, -1)[:, n] for n in range(3))
    elif turning:
        flips = np.cumprod(np.where((values[1:] * values[:-1]).sum(-1) < 0, -1.0, 1.0))
        values = np.concatenate([values[:1], values[1:] * flips[:, None]])
    high = np.clip(np.searchsorted(times, at, side="right"), 1, max(len(times) - 1, 1))
    if len(times) == 1:
        return np.repeat(values[:1], len(at), 0)
    low = high - 1
    span = np.maximum(times[high] - times[low], 1e-9)
    u = np.clip((at - times[low]) / span, 0, 1)[:, None]
    if kind == "STEP":
        return np.where(u >= 1, values[high], values[low])
    if kind == "CUBICSPLINE":
        d = span[:, None]
        return np.asarray(
            (2 * u**3 - 3 * u**2 + 1) * values[low] + d * (u**3 - 2 * u**2 + u) * tangent_out[low]
            + (3 * u**2 - 2 * u**3) * values[high] + d * (u**3 - u**2) * tangent_in[high]
        )
    if turning:  # between keys on the great arc
        a, b = values[low], values[high]
        dot = np.clip((a * b).sum(-1, keepdims=True), -1, 1)
        angle = np.arccos(np.abs(dot))
        sine = np.maximum(np.sin(angle), 1e-9)
        near = angle < 1e-5
        return np.asarray(np.where(near, 1 - u, np.sin((1 - u) * angle) / sine) * a
                          + np.where(near, u, np.sin(u * angle) / sine) * np.sign(dot + 1e-12) * b)
    return np.asarray(values[low] * (1 - u) + values[high] * u)


def _worlds(
    nodes: list[dict[str, Any]], parent_of: dict[int, int], tracks: dict[tuple[int, str], Array]
) -> dict[int, Array]:
    """(frames of the tracks or 1, 4, 4) of every node in the file's own frame."""
    worlds: dict[int, Array] = {}
    for number in _parents_first(nodes, parent_of):
        node = nodes[number]
        if "matrix" in node:
            local = np.array(node["matrix"], float).reshape(1, 4, 4).transpose(0, 2, 1)
        else:
            move = tracks.get((number, "translation"), np.array([node.get("translation", (0, 0, 0))], float))
            turn = tracks.get((number, "rotation"), np.array([node.get("rotation", (0, 0, 0, 1))], float))
            scale = tracks.get((number, "scale"), np.array([node.get("scale", (1, 1, 1))], float))
            frames = max(len(move), len(turn), len(scale))
            local = np.tile(np.eye(4), (frames, 1, 1))
            local[:, :3, :3] = matrices(turn[:, [3, 0, 1, 2]]) * scale[:, None, :]
            local[:, :3, 3] = move
        above = parent_of.get(number, -1)
        worlds[number] = local if above < 0 else worlds[above] @ local
    return worlds


def _upright(frames: Array) -> Array:
    """glTF's axes to ours: the world turned, the joints' own axes left as they are; scale taken out of the turns."""
    result = np.tile(np.eye(4), (*frames.shape[:-2], 1, 1))
    turn = frames[..., :3, :3]
    turn = turn / np.maximum(np.linalg.norm(turn, axis=-2, keepdims=True), 1e-12)
    result[..., :3, :3] = UP @ turn
    result[..., :3, 3] = frames[..., :3, 3] @ transpose(UP)
    return result
