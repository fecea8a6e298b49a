# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence becomes a motion of a skeleton: read the skeleton, find what the words mean, move, deliver."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.jobs.context import JobContext
from backend.jobs.previews import png
from backend.jobs.prompt import Notes
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.motion import candidates, creatures, library, sketch
from backend.motion.clips import of_inputs, read_folder
from backend.motion.figure import Figure
from backend.motion.index import Encode
from backend.motion.retarget import Clip
from backend.motion.take import Take, cut, to_motion
from protocol.errors import BadRequest, PriorNotFound
from protocol.motion import CHUNK_FRAMES, Motion
from protocol.naming import internal
from protocol.skeleton import SKELETON_ARRAYS, Skeleton, read_names
from protocol.specs import AnimateSpec

PLAN = {"read the skeleton": 0.3, "read the clips": 0.2, "move": 1.5, "deliver": 0.3}  # seconds on two cores
MOST_SHOWN = 4096  # frames of a motion that are still shown while it is made


def animate(spec: AnimateSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Raises MaquetteError for the user's eyes.

    The result's arrays: those of protocol.motion and thumbnail (a PNG); its report says fps, loop and root_mode under
    `motion` and what was chosen for which words under `parts`.
    """
    seed = spec.seed if spec.seed is not None else secrets.randbelow(2**31)
    watch = Stopwatch(context, PLAN)
    notes = Notes(context)
    with watch.stage("read the skeleton", "looking at the skeleton"):
        skeleton = Skeleton.from_arrays({name: context.inputs[name] for name in SKELETON_ARRAYS})
        roles = _roles(context.inputs)
        names = roles if roles is not None and any(roles) else internal(skeleton.names)
        kind = creatures.kind_of(names)
    if kind:
        return _creature(spec, context, watch, notes, skeleton, kind, names, seed)
    figure = Figure.of(skeleton, roles)
    frames = spec.frames or round(spec.seconds * spec.fps)
    with watch.stage("read the clips", "looking through the clips"):
        clips = [*_clips_of_folder(context, notes), *of_inputs(figure, context.inputs, spec.fps)]
    with watch.stage("move", spec.prompt) as tell:
        encode = _encoder(context)
        shown = Shown(context, figure, spec.root_mode, frames)
        made = library.compose(
            spec.prompt, figure, spec.fps, frames, seed, loop=spec.loop, root_mode=spec.root_mode, style=spec.style,
            method=spec.method, mirrored=spec.mirror, clips=clips, encode=encode,
            candidates=_candidates(spec, context, seed, encode), tell=tell, show=shown.show,
        )
        for note in made.notes:
            notes.add(note)
        shown.finish(made.take)
    with watch.stage("deliver", "handing it over"):
        motion, parts = made.motion, [one.to_map() for one in made.parts]
        picture = png(sketch.sheet(figure, made.take, 6, 128, (sketch.SIDE,)))
    return _result(spec, context, watch, notes, motion, parts, seed, {"thumbnail": picture})


def _creature(spec: AnimateSpec, context: JobContext, watch: Stopwatch, notes: Notes, skeleton: Skeleton, kind: str,
              names: list[str], seed: int) -> MeshResult:
    """The same for an animal: always a loop."""
    if spec.loop == "no":
        notes.add("What animals do is a loop; its last frame leads into the first.")
    with watch.stage("move", spec.prompt):
        motion, parts = creatures.perform(
            kind, skeleton, names, spec.prompt, spec.fps, spec.frames or round(spec.seconds * spec.fps), spec.style,
            spec.root_mode,
        )
    return _result(spec, context, watch, notes, motion, parts, seed, {})


def _result(spec: AnimateSpec, context: JobContext, watch: Stopwatch, notes: Notes, motion: Motion,
            parts: Sequence[dict[str, Any]], seed: int, more: dict[str, NDArray[Any]]) -> MeshResult:
    report = {
        "prompt": spec.prompt, "seed": seed, "motion": motion.facts(), "parts": list(parts), "style": spec.style,
        "method": spec.method, "mirror": spec.mirror, "versions": versions(), "device": str(context.device),
        "stages": [record.to_map() for record in watch.records], "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult({**motion.to_arrays(), **more}, report)


@dataclass
class Shown:
    """What the scene has seen: grows by whole chunks, so that the figure moves before the end is known."""

    context: JobContext
    figure: Figure
    root_mode: str
    whole: int
    sent: int = 0

    def show(self, take: Take) -> None:
        """Shows all whole chunks of what there is, where there are more than before."""
        self.context.check()
        ready = len(take) // CHUNK_FRAMES * CHUNK_FRAMES
        while self.sent < ready <= MOST_SHOWN:
            self.sent += CHUNK_FRAMES
            self.context.preview_motion(to_motion(cut(take, 0, self.sent), self.figure, self.root_mode), self.whole)

    def finish(self, take: Take) -> None:
        """The end, which may have changed what was shown before."""
        self.sent = 0
        if len(take) <= MOST_SHOWN:
            self.context.preview_motion(to_motion(take, self.figure, self.root_mode), len(take))


def _roles(inputs: Any) -> list[str] | None:
    if "joint_roles" not in inputs:
        return None
    return list(read_names(inputs["joint_roles"], "joint_roles"))


def _clips_of_folder(context: JobContext, notes: Notes) -> list[Clip]:
    """The clips of the worker's folder, read once and again when a file has changed."""
    folder = context.motion_folder
    if folder is None:
        return []
    try:
        stamp = tuple(sorted((str(one), one.stat().st_mtime_ns) for one in folder.rglob("*") if one.is_file()))
    except OSError as problem:
        raise BadRequest(f"The folder of clips cannot be read: {problem}.", path="MAQUETTE_MOTION_FOLDER") from problem
    key = "motion clips"
    kept = context.cache.get(key)
    if kept is None or kept[0] != stamp:
        said: list[str] = []
        kept = (stamp, read_folder(Path(folder), said), said)
        context.cache[key] = kept
    for note in kept[2]:
        notes.add(note)
    clips: list[Clip] = kept[1]
    return clips


def _candidates(spec: AnimateSpec, context: JobContext, seed: int, encode: Encode | None) -> library.Candidates | None:
    """Key poses for what nothing else knows; only where they are asked for, because what comes is rough."""
    if spec.method not in ("candidates", "latent"):
        return None
    eyes = None
    if spec.prior:
        from backend.avatar.codebook import ClipEyes

        eyes = context.cache.get(f"eyes {spec.prior}")
        if eyes is None:
            eyes = ClipEyes(Path(spec.prior), context.device)
            context.cache[f"eyes {spec.prior}"] = eyes

    def make(text: str, figure: Figure, fps: float, frames: int, loop: bool) -> Take:
        return candidates.perform(text, figure, fps, frames, loop, seed, latent=spec.method == "latent", eyes=eyes,
                                  encode=encode, check=context.check)

    return make


def _encoder(context: JobContext) -> Encode | None:
    """Sentence vectors, where the encoder is installed; loaded when words alone do not do."""
    from backend.priors.sentence_encoder import SentenceEncoder, find_model_folder

    try:
        folder = find_model_folder()
    except PriorNotFound:
        return None

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        encoder = context.cache.get("motion sentences")
        if encoder is None:
            encoder = SentenceEncoder(folder, context.device)
            context.cache["motion sentences"] = encoder
        vectors: NDArray[np.float32] = encoder.vectors(list(texts)).cpu().numpy()
        return vectors

    return encode
