# SPDX-License-Identifier: GPL-3.0-or-later
"""Results kept on this machine, so that one can be brought back into a scene without asking a hub.

A folder a job with one .npy file an array and a `report.json` that is written last: no report, no result. Writing is
cut into slices that fit into a timer's tick, because 100 MB in one go would stop Blender for a tenth of a second; and
each array is given back to the system by itself, at the beginning of a tick, which takes 7 ms for 100 MB.
The oldest are deleted when all together are over a limit. No bpy here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

SLICE = 1 << 18
"""Bytes a step writes: a fraction of a millisecond into the page cache."""
LONG = 1 << 22
"""Bytes of an array from which on giving it back is a step that wants a tick of its own."""
REPORT = "report.json"
UNFINISHED = ".part"


class Results:
    """The folder of kept results. limit: bytes of all together."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._waiting: deque[tuple[str, Iterator[bool]]] = deque()
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"*{UNFINISHED}"):  # left by a Blender that ended in the middle
            shutil.rmtree(path, ignore_errors=True)

    @property
    def busy(self) -> bool:
        """Is something still to be written?"""
        return bool(self._waiting)

    def keep(self, job: str, arrays: dict[str, np.ndarray], report: dict[str, Any]) -> None:
        """Begin to write a result down; `step` does it. The arrays must not change meanwhile."""
        if job not in (waiting for waiting, _ in self._waiting) and not self.has(job):
            self._waiting.append((job, self._write(job, dict(arrays), report)))

    def step(self) -> bool:
        """Write one slice; False when nothing is left to do for now: the next step is a long one and wants a tick of
        its own, or there is none. A full disk costs this copy and nothing else."""
        if not self._waiting:
            return False
        job, slices = self._waiting[0]
        try:
            return next(slices)
        except StopIteration:
            self._waiting.popleft()
            self._trim(job)
        except OSError:
            self._waiting.popleft()
            shutil.rmtree(self.folder / f"{job}{UNFINISHED}", ignore_errors=True)
        return bool(self._waiting)

    def finish(self) -> None:
        """Write down all that waits."""
        while self.busy:
            self.step()

    def has(self, job: str) -> bool:
        return (self.folder / job / REPORT).exists()

    def load(self, job: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays and report of a kept result, None when there is none that can be read."""
        path = self.folder / job
        try:
            report = json.loads((path / REPORT).read_text(encoding="utf-8"))
            arrays = {one.stem: np.load(one, allow_pickle=False) for one in sorted(path.glob("*.npy"))}
        except (OSError, ValueError, EOFError):
            return None
        os.utime(path)  # used now: among the last to be deleted
        return arrays, report

    def drop(self, job: str) -> None:
        """Delete a kept result."""
        self._waiting = deque(one for one in self._waiting if one[0] != job)
        for path in (self.folder / job, self.folder / f"{job}{UNFINISHED}"):
            shutil.rmtree(path, ignore_errors=True)

    def _write(self, job: str, arrays: dict[str, np.ndarray], report: dict[str, Any]) -> Iterator[bool]:
        """Yields whether what follows is as short as what was done. Empties `arrays`."""
        path = self.folder / f"{job}{UNFINISHED}"
        path.mkdir(parents=True, exist_ok=True)
        for name in list(arrays):
            with (path / f"{name}.npy").open("wb") as file:
                yield from _slices(file, np.ascontiguousarray(arrays[name]))
            if arrays[name].nbytes >= LONG:
                yield False
            del arrays[name]  # nobody else may hold it any more
            yield True
        (path / REPORT).write_text(json.dumps(report, default=str), encoding="utf-8")
        os.replace(path, self.folder / job)

    def _trim(self, newest: str) -> None:
        found = []
        for path in self.folder.iterdir():
            if path.is_dir() and not path.name.endswith(UNFINISHED):
                size = sum(one.stat().st_size for one in path.iterdir())
                found.append((path.name == newest, path.stat().st_mtime, size, path))
        total = sum(size for _, _, size, _ in found)
        for is_newest, _, size, path in sorted(found, key=lambda one: one[:2]):
            if total <= self.limit or is_newest:
                return
            shutil.rmtree(path, ignore_errors=True)
            total -= size


def _slices(file: BinaryIO, array: np.ndarray) -> Iterator[bool]:
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
    for begin in range(0, len(data), SLICE):
        file.write(data[begin : begin + SLICE])
        yield True
