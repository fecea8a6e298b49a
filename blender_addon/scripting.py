# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette for scripts, in `blender -b` and `import bpy` as in the program. The panel goes through here too.

    from bl_ext.user_default import maquette   # the extension; `import maquette` for the legacy add-on
    handle = maquette.generate("a red mushroom with white spots", seed=7)
    mushroom = handle.wait(timeout=600)        # the object, standing in the scene
    print(handle.report["seed"], mushroom.dimensions)

`wait` blocks and drives the link itself, because Blender's timers never fire in the background. In the program a
script can leave that to the add-on's timer, go on, and look at `handle.done` later, or be called back:

    maquette.generate("a blue chair").on_end(lambda handle: print(handle.object_name, handle.error))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import kinds, link, recall, wire
from .apply.placement import IDENTITY, Place, take_place
from .jobs import Job


class Handle:
    """One job that was asked for. It holds names and numbers, no Blender data, so it may be kept for ever."""

    def __init__(self, job_id: str) -> None:
        self.id = job_id

    @property
    def _job(self) -> Job:
        job = link.current().jobs.get(self.id)
        if job is None:
            raise wire.errors.UnknownJob(f"This session has no job {self.id}.")
        return job

    @property
    def done(self) -> bool:
        """Ended, well or not."""
        return self._job.over

    @property
    def state(self) -> str:
        """In words: waiting its turn, working, done, failed, cancelled, ..."""
        return self._job.words

    @property
    def fraction(self) -> float:
        """How far the job is, 0..1."""
        return self._job.fraction

    @property
    def seconds_left(self) -> float | None:
        """An honest guess, None when nobody can tell."""
        return self._job.seconds_left

    @property
    def report(self) -> dict[str, Any]:
        """Seed, preset, prior, versions, time and memory of each stage, scores; empty until the job is done."""
        return dict(self._job.report)

    @property
    def object_name(self) -> str:
        """Name of the object in the scene; empty until the job is done."""
        return self._job.object_name

    def wait(self, timeout: float | None = None, tick: Callable[[Handle], None] | None = None) -> Any:
        """Block until the job is over and return its object (`bpy.types.Object`).

        tick: called with this handle a few times a second. Raises the job's own error when it failed, Cancelled when
        somebody cancelled it, TimedOut after `timeout` seconds (the job goes on), or what keeps the hub away.
        """
        job = link.current().wait(self.id, timeout, None if tick is None else lambda _: tick(self))
        if job.error is not None:
            raise job.error
        return bpy.data.objects[job.object_name]

    @property
    def error(self) -> Exception | None:
        """Why the job failed or was cancelled; None otherwise."""
        return self._job.error

    @property
    def result(self) -> Any:
        """The job's object (`bpy.types.Object`); None until it stands in the scene, or when it was deleted there."""
        return bpy.data.objects.get(self._job.object_name) if self._job.object_name else None

    def on_progress(self, callback: Callable[[Handle], None]) -> Handle:
        """Have this called on Blender's main thread whenever state, stage or fraction has changed. Gives the handle."""
        link.current().watch(self.id, lambda job: callback(self))
        return self

    def on_end(self, callback: Callable[[Handle], None]) -> Handle:
        """Have this called once, on Blender's main thread, when the job has ended, well or not. Gives the handle."""
        link.current().watch(self.id, lambda job: callback(self) if job.over else None)
        return self

    def cancel(self) -> None:
        """Ask the hub to end the job; nothing happens when it is over."""
        link.current().cancel(self.id)

    def pause(self) -> None:
        """Ask the hub to let the job rest; it keeps what it has done."""
        link.current().pause(self.id)

    def resume(self) -> None:
        """Let a paused job go on."""
        link.current().resume(self.id)


def generate(
    prompt: str,
    *,
    negative_prompt: str = "",
    preset: str = "draft",
    prior: str = "",
    seed: int | None = None,
    size_metres: float = 1.0,
    texture_size: int = 0,
    effort: float = 1.0,
    name: str = "",
    place: str | Sequence[float] = "ORIGIN",
) -> Handle:
    """Ask for a textured mesh made from a sentence; returns at once.

    place: "CURSOR", "ORIGIN", "EMPTY" (the selected one), or where the middle of its base stands as x, y, z in metres.
    The other arguments are those of `protocol.messages.TextTo3DSpec`, where their ranges are. Raises BadRequest for a
    wrong argument, and MaquetteError when there is no way to a hub.
    """
    spec = wire.messages.TextTo3DSpec(
        prompt=prompt, negative_prompt=negative_prompt, preset=preset, prior=prior, seed=seed,
        size_metres=size_metres, texture_size=texture_size, effort=effort, name=name,
    )
    return submit(spec, place)


def texture(item: Any, prompt: str, **settings: Any) -> Handle:
    """Ask for a new texture for an object (`bpy.types.Object`) from a sentence; returns at once.

    settings: those of the protocol's spec of this kind. Raises UnknownKind where this version cannot do it.
    """
    entry = _entry("texture", "texture an object that is there already")
    spec = wire.specs.spec_from_map("texture", {"prompt": prompt, **settings})
    inputs = entry.inputs(bpy.context, bpy.context.scene.maquette, item.name, spec)
    return submit(spec, "ORIGIN", inputs, target=item.name)


def avatar(prompt: str, *, place: str | Sequence[float] = "ORIGIN", **settings: Any) -> Handle:
    """Ask for a figure made from a sentence; returns at once. Raises UnknownKind where this version cannot do it."""
    _entry("avatar", "make avatars")
    return submit(wire.specs.spec_from_map("avatar", {"prompt": prompt, **settings}), place)


def _entry(kind: str, what: str) -> kinds.Kind:
    known = {one.kind: one for one in kinds.offered()}
    if kind not in known:
        raise wire.errors.UnknownKind(
            f"This version of Maquette cannot {what}.", path="kind",
            hint=f"It can do: {', '.join(known)}. A newer add-on may do more.",
        )
    return known[kind]


def batch_file(file: str, **options: Any) -> int:
    """Run a manifest in a Blender without a window and give the exit code, see `batch.command.run` for the options."""
    from .batch import command

    return int(command.run(Path(file), **options))


def submit(
    spec: Any,
    place: str | Sequence[float] = "ORIGIN",
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    target: str = "",
    collection: str = "MAQUETTE",
) -> Handle:
    """Ask for the job that a spec describes; `generate` and the panel both end here.

    inputs: arrays that this kind of job takes. target: name of the object to work on, for kinds that change one.
    collection: "MAQUETTE" or "ACTIVE", where a new object is filed.
    """
    return Handle(link.current().submit(spec, _place(place, collection), inputs, target).id)


def again(job_id: str, *, new_seed: bool = False) -> Handle:
    """Ask for a job of the history once more, with its own seed or a new one."""
    return Handle(recall.again(link.current(), job_id, link.draw_seed() if new_seed else None).id)


def bring(job_id: str, place: str | Sequence[float] | None = None) -> Handle:
    """Bring a result of the history into the open file, where it was asked for or at another place."""
    return Handle(recall.bring(link.current(), job_id, None if place is None else _place(place)).id)


def take_up() -> list[Handle]:
    """Mind the jobs that an earlier Blender left running. The program does this by itself when it opens."""
    return [Handle(job.id) for job in link.current().take_up()]


def _place(place: str | Sequence[float], collection: str = "MAQUETTE") -> Place:
    try:
        if isinstance(place, str):
            return take_place(bpy.context, place, collection)
        x, y, z = (float(value) for value in place)
    except (TypeError, ValueError) as error:
        raise wire.errors.BadRequest(f"place is wrong: {error}.", path="place") from error
    matrix = list(IDENTITY)
    matrix[3], matrix[7], matrix[11] = x, y, z
    return Place(bpy.context.scene.name, tuple(matrix))
