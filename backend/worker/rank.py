# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.worker.rank`: a process that computes its part of a job which another process leads.

What to do comes as one line of JSON on standard input, which stays open: when it closes, the leader is gone and this
process ends. It is silent; progress, previews, checkpoints and the result are the leader's.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from backend.worker.hubs import end_with

PREFIX = "in_"  # numpy's own arguments have names too


@dataclass(frozen=True)
class Task:
    """Everything that a rank is told. ready: a file it makes once it has loaded; meeting: where all ranks then meet."""

    rank: int
    world: int
    meeting: str
    ready: str
    jobs: str
    kind: str
    spec: dict[str, Any]
    folder: str
    inputs: str

    def to_line(self) -> str:
        return json.dumps(self.__dict__) + "\n"

    @classmethod
    def read(cls, stream: IO[str]) -> Task:
        return cls(**json.loads(stream.readline()))


def save_inputs(path: Path, inputs: Mapping[str, np.ndarray]) -> str:
    """The job's arrays in a file for the ranks; empty for none."""
    if not inputs:
        return ""
    np.savez(path, **{PREFIX + name: array for name, array in inputs.items()})
    return str(path)


def read_inputs(path: str) -> dict[str, np.ndarray]:
    if not path:
        return {}
    with np.load(path, allow_pickle=False) as file:
        arrays = {name.removeprefix(PREFIX): file[name] for name in file.files}
    for one in arrays.values():
        one.flags.writeable = False
    return arrays


def compute(task: Task, device: Any, clock: Callable[[], float] = time.monotonic) -> None:
    """Load, say so, meet the others, do the part."""
    from backend.distillation.ranks import Ranks
    from backend.jobs.context import JobContext, read_checkpoint
    from protocol.specs import spec_from_map

    class RankContext(JobContext):
        """Hears nothing and says nothing; reads the checkpoint that the leader reads."""

        def progress(self, stage: str, fraction: float, message: str = "", seconds_left: float | None = None) -> None:
            """The leader says it."""

        def preview_mesh(self, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> None:
            """The leader shows it."""

        def preview_image(self, image: np.ndarray) -> None:
            """The leader shows it."""

        def preview_motion(self, motion: Any, whole: int) -> None:
            """The leader shows it."""

        def check(self) -> None:
            """The leader ends this process."""

        def warn(self, text: str) -> None:
            """The leader warns."""

        def save_checkpoint(self, state: dict[str, Any]) -> None:
            """The leader keeps it."""

        def load_checkpoint(self) -> dict[str, Any] | None:
            return read_checkpoint(self.folder / "checkpoint.pt")

    jobs = importlib.import_module(task.jobs)
    context = RankContext()
    context.device, context.folder, context.cache, context.clock = device, Path(task.folder), {}, clock
    context.inputs = read_inputs(task.inputs)
    Path(task.ready).touch()
    context.ranks = Ranks.join(Path(task.meeting), task.rank, task.world, device)
    jobs.run(spec_from_map(task.kind, task.spec), context)
    context.ranks.leave()


def main() -> int:
    """Gives the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s: %(message)s")
    task = Task.read(sys.stdin)
    end_with(sys.stdin)
    from backend.worker.device import choose_device, set_threads

    set_threads(os.environ)
    try:
        compute(task, choose_device())
    except Exception:  # the outermost level; the leader only needs to know that this rank is gone
        logging.getLogger("maquette.worker").exception("rank %d failed", task.rank)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)
