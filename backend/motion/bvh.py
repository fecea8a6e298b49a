# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion capture out of BVH files (Biovision hierarchy): a text with a skeleton and rows of Euler angles.

Files differ in unit, up axis and facing and do not say so: the unit is guessed from the size of the skeleton, the up
axis from where its head is, and a first frame that is a T-pose is the bind pose (CMU's conversions have one); else the
hierarchy's own zero pose is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.motion.gltf import UP, Recording
from backend.motion.turns import Array, about, matrices, quaternions, transpose
from protocol.errors import BadRequest

MOST_BYTES = 256 << 20
TALLEST = 4.0  # metres: a larger skeleton is in another unit


def read_bvh(path: Path, fps: float = 30.0) -> Recording:
    """The file's one motion at `fps`. Raises BadRequest for files that cannot be used."""
    if path.stat().st_size > MOST_BYTES:
        raise _bad(path, f"it is larger than {MOST_BYTES >> 20} MiB")
    words = path.read_text(encoding="utf-8", errors="replace").split()
    try:
        names, parents, offsets, channels, place = _hierarchy(words)
        if words[place].upper() != "MOTION" or words[place + 1].lower() != "frames:":
            raise ValueError("there is no MOTION section")
        count, step = int(words[place + 2]), float(words[place + 5])
        width = sum(len(one) for one in channels)
        values = np.array(words[place + 6 : place + 6 + count * width], float).reshape(count, width)
        if not np.isfinite(values).all() or count < 1 or not step > 0:
            raise ValueError("its numbers are not finite")
    except (ValueError, IndexError) as problem:
        raise _bad(path, str(problem)) from problem
    worlds = _worlds(parents, offsets, channels, values)
    zero = _worlds(parents, offsets, channels, np.zeros((1, width)))
    rest = zero[0]
    up = _up_axis(rest, names)
    scale = _unit(rest, up)
    for frames in (worlds, zero):
        frames[..., :3, 3] *= scale
    if up == 1:
        for frames in (worlds, zero):
            frames[..., :3, :3] = UP @ frames[..., :3, :3] @ transpose(UP)
            frames[..., :3, 3] = frames[..., :3, 3] @ transpose(UP)
    return Recording(names, parents, zero[0], {path.stem: _resampled(worlds, 1.0 / step, fps)}, fps)


def _bad(path: Path, why: str) -> BadRequest:
    return BadRequest(f"{path.name} cannot be read: {why}.", path="MAQUETTE_MOTION_FOLDER",
                      hint="Export it again as BVH, or take it out of the folder.")


def _hierarchy(words: list[str]) -> tuple[list[str], list[int], Array, list[list[str]], int]:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    place = 1  # after HIERARCHY
    while words[place].upper() != "MOTION":
        word = words[place].upper()
        if word in ("ROOT", "JOINT"):
            end = place + 1
            while words[end] != "{":
                end += 1
            names.append(" ".join(words[place + 1 : end]))
            parents.append(stack[-1] if stack else -1)
            offsets.append([0.0, 0.0, 0.0])
            channels.append([])
            stack.append(len(names) - 1)
            place = end + 1
        elif word == "END":  # End Site { OFFSET x y z }
            place = words.index("}", place) + 1
        elif word == "OFFSET":
            offsets[stack[-1]] = [float(one) for one in words[place + 1 : place + 4]]
            place += 4
        elif word == "CHANNELS":
            number = int(words[place + 1])
            channels[stack[-1]] = [one.lower() for one in words[place + 2 : place + 2 + number]]
            place += 2 + number
        elif word == "}":
            stack.pop()
            place += 1
        else:
            raise ValueError(f"{words[place][:40]!r} is not expected in a hierarchy")
    if not names:
        raise ValueError("it has no joints")
    return names, parents, np.array(offsets), channels, place


def _worlds(parents: list[int], offsets: Array, channels: list[list[str]], values: Array) -> Array:
    worlds = np.empty((len(values), len(parents), 4, 4))
    column = 0
    for joint, parent in enumerate(parents):
        local = np.tile(np.eye(4), (len(values), 1, 1))
        local[:, :3, 3] = offsets[joint]
        moved = np.zeros((len(values), 3))
        for channel in channels[joint]:
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
                moved[:, axis] = values[:, column]
            else:
                local[:, :3, :3] = local[:, :3, :3] @ about(channel[0], np.radians(values[:, column]))
            column += 1
        if any(channel.endswith("position") for channel in channels[joint]):
            local[:, :3, 3] = np.where(np.abs(values).sum() > 0, moved, offsets[joint])
        worlds[:, joint] = local if parent < 0 else worlds[:, parent] @ local
    return worlds


def _up_axis(rest: Array, names: list[str]) -> int:
    """1 (Y) or 2 (Z): where the head is over the lowest joint."""
    points = rest[:, :3, 3]
    head = next((place for place, name in enumerate(names) if "head" in name.lower()), int(points[:, 1].argmax()))
    rise = points[head] - points.min(0)
    return 1 if rise[1] >= rise[2] else 2


def _unit(rest: Array, up: int) -> float:
    """Metres of the file's unit: 1, 0.01 (centimetres), 0.0254 (inches)."""
    tall = float(np.ptp(rest[:, up, 3]))
    for unit in (1.0, 0.0254, 0.01, 0.001):
        if 0.3 < tall * unit < TALLEST and not (unit == 0.0254 and not 45.0 < tall < 90.0):
            return unit
    return 1.7 / max(tall, 1e-9)


def _resampled(worlds: Array, source: float, fps: float) -> Array:
    """Frames at another rate."""
    count = max(2, round((len(worlds) - 1) / source * fps) + 1)
    place = np.clip(np.arange(count) / fps * source, 0, len(worlds) - 1)
    low = np.minimum(np.floor(place).astype(int), max(len(worlds) - 2, 0))
    high = np.minimum(low + 1, len(worlds) - 1)
    share = (place - low)[:, None, None]
    a, b = quaternions(worlds[low, :, :3, :3]), quaternions(worlds[high, :, :3, :3])
    b = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    result = worlds[low].copy()
    result[..., :3, :3] = matrices(a * (1 - share) + b * share)
    result[..., :3, 3] = worlds[low, :, :3, 3] * (1 - share) + worlds[high, :, :3, 3] * share
    return result
