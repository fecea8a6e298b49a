# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips written by hand: a take as a binary glTF, and as a BVH."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from backend.motion.figure import Figure
from backend.motion.take import Take

BACK = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])  # ours -> glTF's (x, z, -y)


def worlds(figure: Figure, take: Take) -> tuple[np.ndarray, np.ndarray]:
    """(T, J, 4, 4) posed and (J, 4, 4) rest frames, in our axes."""
    skeleton = figure.skeleton
    every = figure.all_turns(take.turns)
    heads, _ = figure.positions(take.turns, take.root)
    frames = np.tile(np.eye(4), (*every.shape[:2], 1, 1))
    frames[..., :3, :3] = every @ skeleton.rotations.astype(float)
    frames[..., :3, 3] = heads[:, figure.role]
    return frames, skeleton.rest


def write_glb(path: Path, figure: Figure, clips: dict[str, Take], prefix: str = "mixamorig:") -> None:
    """Every joint a node; matrices of the skin, rotations of all joints, the way of the hips."""
    skeleton = figure.skeleton
    blob, views, accessors = b"", [], []

    def put(array: np.ndarray, kind: str) -> int:
        nonlocal blob
        data = np.ascontiguousarray(array, "<f4").tobytes()
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        accessors.append({"bufferView": len(views) - 1, "componentType": 5126, "count": len(array), "type": kind})
        blob += data
        return len(accessors) - 1

    def turned(frames: np.ndarray) -> np.ndarray:
        result = frames.copy()
        result[..., :3, :3] = BACK @ frames[..., :3, :3]
        result[..., :3, 3] = frames[..., :3, 3] @ BACK.T
        return result

    def local(frames: np.ndarray) -> np.ndarray:
        above = frames[..., np.maximum(skeleton.parents, 0), :, :]
        return np.linalg.inv(np.where((skeleton.parents >= 0)[:, None, None], above, np.eye(4))) @ frames

    rest = turned(skeleton.rest)
    nodes = []
    for joint, name in enumerate(skeleton.names):
        children = [n for n, parent in enumerate(skeleton.parents) if parent == joint]
        nodes.append({"name": prefix + name, "matrix": local(rest)[joint].T.ravel().tolist()} | (
            {"children": children} if children else {}))
    animations = []
    for name, take in clips.items():
        posed = local(turned(worlds(figure, take)[0]))
        for joint in range(len(skeleton)):
            nodes[joint].pop("matrix", None)
            nodes[joint] |= {"translation": local(rest)[joint, :3, 3].tolist(), "rotation": quaternion(
                local(rest)[joint, :3, :3]).tolist()}
        times = put(np.arange(len(take), dtype=float)[:, None] / take.fps, "SCALAR")
        samplers, channels = [], []
        for joint in range(len(skeleton)):
            output = put(np.stack([quaternion(one) for one in posed[:, joint, :3, :3]]), "VEC4")
            samplers.append({"input": times, "output": output})
            channels.append({"sampler": len(samplers) - 1, "target": {"node": joint, "path": "rotation"}})
        samplers.append({"input": times, "output": put(posed[:, 0, :3, 3], "VEC3")})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": 0, "path": "translation"}})
        animations.append({"name": name, "samplers": samplers, "channels": channels})
    matrices = put(np.linalg.inv(rest).transpose(0, 2, 1).reshape(-1, 16), "MAT4")
    document = {
        "asset": {"version": "2.0"}, "nodes": nodes, "animations": animations, "bufferViews": views,
        "accessors": accessors, "buffers": [{"byteLength": len(blob)}],
        "skins": [{"joints": list(range(len(skeleton))), "inverseBindMatrices": matrices}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(blob)) + struct.pack("<I4s", len(text), b"JSON")
    path.write_bytes(head + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob)


def quaternion(turn: np.ndarray) -> np.ndarray:
    """x, y, z, w by the eigenvector of Bar-Itzhack's matrix, which needs no cases."""
    m = turn
    k = np.array([
        [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
        [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
        [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
    ]) / 3
    return np.linalg.eigh(k)[1][:, -1]


def write_bvh(path: Path, figure: Figure, take: Take, unit: float = 100.0) -> None:
    """Centimetres, Y up, ZXY angles; the hierarchy's zero pose is the figure's rest."""
    skeleton = figure.skeleton
    heads = skeleton.heads.astype(float) @ BACK.T * unit
    lines = ["HIERARCHY"]

    def joint(number: int, depth: int) -> None:
        pad = "  " * depth
        above = skeleton.parents[number]
        offset = heads[number] - (heads[above] if above >= 0 else 0.0)
        lines.extend([
            f"{pad}{'ROOT' if above < 0 else 'JOINT'} {skeleton.names[number]}", f"{pad}{{",
            f"{pad}  OFFSET " + " ".join(f"{x:.8f}" for x in offset),
            f"{pad}  CHANNELS " + ("6 Xposition Yposition Zposition " if above < 0 else "3 ")
            + "Zrotation Xrotation Yrotation",
        ])
        children = [n for n, parent in enumerate(skeleton.parents) if parent == number]
        for child in children:
            joint(child, depth + 1)
        if not children:
            lines.extend([f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0 1 0", f"{pad}  }}"])
        lines.append(f"{pad}}}")

    joint(0, 0)
    every = BACK @ figure.all_turns(take.turns) @ BACK.T
    lines += ["MOTION", f"Frames: {len(take)}", f"Frame Time: {1 / take.fps:.8f}"]
    order: list[int] = []

    def walk(number: int) -> None:
        order.append(number)
        for child in (n for n, parent in enumerate(skeleton.parents) if parent == number):
            walk(child)

    walk(0)
    for frame in range(len(take)):
        row: list[float] = list(heads[0] + take.root[frame] @ BACK.T * unit)
        for number in order:
            above = skeleton.parents[number]
            m = (every[frame, above].T if above >= 0 else np.eye(3)) @ every[frame, number]
            # m = Rz Rx Ry
            row += [np.degrees(np.arctan2(-m[0, 1], m[1, 1])), np.degrees(np.arcsin(np.clip(m[2, 1], -1, 1))),
                    np.degrees(np.arctan2(-m[2, 0], m[2, 2]))]
        lines.append(" ".join(f"{x:.7f}" for x in row))
    path.write_text("\n".join(lines))


