# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips of a folder that the user names, and Actions that came in with a job, as takes on their own figures.

Files that cannot be used are left out with a note, never fatal: one odd file must not cost the whole folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backend.motion.bvh import read_bvh
from backend.motion.figure import Figure
from backend.motion.gltf import Recording, read_glb
from backend.motion.retarget import Clip
from backend.motion.take import Take
from backend.motion.turns import transpose
from protocol.bonemap import guess
from protocol.errors import BadRequest
from protocol.motion import continuous
from protocol.skeleton import LONGEST_NAME, Skeleton, read_names
from protocol.specs.animate import MAX_CLIPS

FPS = 30.0  # that clips are read at
MOST_FILES = 5000
SHORTEST = 2  # frames of a clip; a bind pose saved as an animation is left out


def read_folder(folder: Path, notes: list[str], fps: float = FPS) -> list[Clip]:
    """Every clip of the glb and bvh files in a folder and those below it, in the order of their names. Raises
    BadRequest when the folder cannot be listed."""
    if not folder.is_dir():
        raise BadRequest(f"There is no folder {folder}.", path="MAQUETTE_MOTION_FOLDER",
                         hint="Set MAQUETTE_MOTION_FOLDER to a folder with glb or bvh files.")
    files = sorted(one for one in folder.rglob("*") if one.suffix.lower() in (".glb", ".bvh") and one.is_file())
    clips: list[Clip] = []
    for file in files[:MOST_FILES]:
        try:
            recording = read_glb(file, fps) if file.suffix.lower() == ".glb" else read_bvh(file, fps)
            clips += of_recording(recording)
        except (BadRequest, OSError) as problem:
            notes.append(f"{file.name} was left out: {problem}")
    return clips


def of_recording(recording: Recording) -> list[Clip]:
    """The takes of a file. Raises BadRequest when its skeleton is not that of a human."""
    roles = guess(recording.names, recording.parents)
    figure = figure_of(recording, roles)
    clips = []
    for name, frames in recording.clips.items():
        if len(frames) < SHORTEST or "t-pose" in name.lower() or "tpose" in name.lower():
            continue
        clips.append(Clip(name, figure, take_of(figure, recording.rest, frames, recording.fps)))
    return clips


def figure_of(recording: Recording, roles: list[str]) -> Figure:
    """The file's skeleton as a figure, in its bind pose."""
    rest = recording.rest
    heads = rest[:, :3, 3]
    tails = heads.copy()
    for joint, parent in enumerate(recording.parents):
        children = [other for other, above in enumerate(recording.parents) if above == joint]
        named = [child for child in children if roles[child]] or children
        if named:
            tails[joint] = heads[named].mean(0)
        elif parent >= 0:
            tails[joint] = heads[joint] + (heads[joint] - heads[parent]) * 0.5
        if np.linalg.norm(tails[joint] - heads[joint]) < 1e-4:
            tails[joint] = heads[joint] + [0.0, 0.0, 0.02]
    names: list[str] = []
    for number, name in enumerate(recording.names):
        short = name.encode()[: LONGEST_NAME - 6].decode("utf-8", "ignore").replace("\n", " ") or "joint"
        names.append(short if short not in names else f"{short}.{number}")
    parents = np.asarray(recording.parents, np.int16)
    parents[0] = -1
    skeleton = Skeleton(heads.astype(np.float32), tails.astype(np.float32), rest[:, :3, :3].astype(np.float32),
                        parents, tuple(names))
    return Figure.of(skeleton, roles)


def take_of(figure: Figure, rest: NDArray[np.float64], frames: NDArray[np.float64], fps: float) -> Take:
    """World frames (T, J, 4, 4) against the bind frames (J, 4, 4)."""
    change = frames[..., :3, :3] @ transpose(rest[:, :3, :3])
    turns = np.tile(np.eye(3), (len(frames), 22, 1, 1))
    for joint, place in enumerate(figure.role):
        if place >= 0:
            turns[:, place] = change[:, joint]
    hips = int(np.flatnonzero(figure.role == 0)[0])
    root = frames[:, hips, :3, 3] - rest[hips, :3, 3]
    return _plain_take(figure, turns, root, fps)


def _plain_take(figure: Figure, turns: NDArray[np.float64], root: NDArray[np.float64], fps: float) -> Take:
    path = gaussian_filter1d(root[:, :2], 0.25 * fps, axis=0, mode="nearest") if len(root) > 3 else root[:, :2].copy()
    contacts, grip = np.zeros((len(turns), 4), np.uint8), np.full((len(turns), 2), 0.25)
    return Take(figure.conform(turns), root, contacts, grip, path, fps)


def of_inputs(figure: Figure, inputs: Mapping[str, NDArray[Any]], fps: float) -> list[Clip]:
    """The Actions that came in with a job: on the job's own skeleton. Raises BadRequest for what is no motion."""
    if "clip_names" not in inputs:
        return []
    names = read_names(inputs["clip_names"], "clip_names")
    clips = []
    for number in range(MAX_CLIPS):
        rotations, root = inputs.get(f"clip_{number}_rotations"), inputs.get(f"clip_{number}_root")
        if rotations is None or root is None:
            continue
        name = names[number] if number < len(names) else f"clip {number}"
        sizes = np.linalg.norm(rotations, axis=-1)
        if not np.isfinite(rotations).all() or not np.isfinite(root).all() or (sizes < 1e-3).any():
            raise BadRequest(f"Clip {name!r} holds quaternions that are none.", path=f"inputs.clip_{number}_rotations")
        turns, way = figure.turns_of(continuous(rotations / sizes[..., None]), root)
        clips.append(Clip(name, figure, _plain_take(figure, turns, way, fps)))
    return clips
