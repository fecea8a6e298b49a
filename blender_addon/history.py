# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked for, on disk: one small file a job, so that a list of past work and the running jobs themselves
outlive Blender.

A record is written before its job is sent: whatever happens afterwards, the next Blender knows the id under which to
ask the hub. No bpy here. Every file is replaced in one step; one that cannot be read is left alone and not listed.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from . import notes

log = logging.getLogger(__name__)

KEPT_RECORDS = 500
"""The oldest ended ones beyond this number are deleted with their pictures."""
OPEN = "OPEN"
ENDED = ("DONE", "KEPT", "FAILED", "CANCELLED")
"""DONE: its result stood in a scene. KEPT: the result came when its file was closed and waits to be asked for."""
NAME = 32
"""Hex digits of a job's id; nothing else is taken for a record."""


@dataclass(frozen=True)
class Record:
    """One job. created, ended: seconds since 1970, 0 for not yet. owner: process that minds it, 0 for nobody.

    hub: empty for this machine's own, else its address. kind, spec: as on the wire. file: mark of the .blend file it
    belongs to, see `filemark`. accepted: the hub has it. seconds: how long the hub worked on it. told: what the worker
    first thought it would take, seconds. options: as of a job.
    """

    id: str
    kind: str
    spec: dict[str, Any]
    title: str
    hub: str = ""
    file: str = ""
    scene: str = ""
    matrix: tuple[float, ...] = ()
    collection: str = ""
    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    ended: float = 0.0
    state: str = OPEN
    accepted: bool = False
    owner: int = 0
    seed: int | None = None
    seconds: float = 0.0
    told: float = 0.0
    object_name: str = ""
    problem: str = ""
    hint: str = ""

    @property
    def open(self) -> bool:
        return self.state not in ENDED

    @classmethod
    def from_map(cls, values: dict[str, Any]) -> Record:
        """Rebuild; unknown fields are left out, so that an older add-on reads what a newer one wrote."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        known["matrix"] = tuple(float(value) for value in known.get("matrix", ()))
        record = cls(**known)
        maps = isinstance(record.spec, dict) and isinstance(record.options, dict)
        if not maps or not isinstance(record.title, str) or len(record.matrix) not in (0, 16):
            raise ValueError("the record is not one")
        return record


@dataclass
class History:
    """All records of a folder, read once and kept in step with it."""

    folder: Path
    _records: dict[str, Record] = field(default_factory=dict)
    _seen: int = -1

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.refresh()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        """Newest first."""
        return iter(sorted(self._records.values(), key=lambda one: one.created, reverse=True))

    def get(self, job: str) -> Record | None:
        return self._records.get(job)

    def refresh(self) -> bool:
        """Take in what another Blender has written; True when the folder had changed since the last look."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        found: dict[str, Record] = {}
        for path in self.folder.glob("*.json"):
            try:
                record = Record.from_map(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue
            if record.id == path.stem and len(record.id) == NAME:
                found[record.id] = record
        self._records, self._seen = found, stamp
        return True

    def _stamp(self) -> int:
        return self.folder.stat().st_mtime_ns

    def put(self, record: Record) -> None:
        """Write one down, over an older one of the same job."""
        self._records[record.id] = record
        in_step = self._stamp() == self._seen
        self._write(self.folder / f"{record.id}.json", json.dumps(asdict(record), ensure_ascii=False).encode())
        if in_step:
            self._seen = self._stamp()
        if len(self._records) > KEPT_RECORDS:
            for old in [one for one in self if not one.open][KEPT_RECORDS:]:
                self.delete(old.id)

    def change(self, job: str, **values: Any) -> None:
        """Write down that these fields of a record are different now; nothing happens when it was deleted."""
        record = self._records.get(job)
        if record is not None and any(getattr(record, name) != value for name, value in values.items()):
            self.put(replace(record, **values))

    def delete(self, job: str) -> None:
        """Forget a job and its picture."""
        self._records.pop(job, None)
        for path in (self.folder / f"{job}.json", self.picture(job)):
            path.unlink(missing_ok=True)

    def picture(self, job: str) -> Path:
        """Where a job's thumbnail is, or would be."""
        return self.folder / f"{job}.png"

    def set_picture(self, job: str, png: bytes) -> Path:
        """Keep a thumbnail with a note of how it was made; png: a whole PNG file."""
        path, record = self.picture(job), self._records.get(job)
        if record is not None:
            png = notes.write(png, {"kind": record.kind, "spec": record.spec, "seed": record.seed})
        self._write(path, png)
        return path

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Replace a file in one step. A full disk costs this entry its place after a restart, and never a job."""
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError as error:
            log.warning("the history could not be written: %s", error)

    def orphans(self, hub: str, mine: int) -> list[Record]:
        """Jobs of this hub that run without a Blender that minds them, oldest first. mine: the own process id."""
        waiting = [one for one in self if one.open and one.hub == hub and (one.owner == mine or not lives(one.owner))]
        return waiting[::-1]

    def disown(self, mine: int) -> None:
        """This process ends: its running jobs may be taken up by the next."""
        for one in list(self._records.values()):
            if one.open and one.owner == mine:
                self.change(one.id, owner=0)


def lives(process: int) -> bool:
    """Is there a process with this id? (A number used again makes an orphan look minded; the list still shows it.)"""
    if process <= 0:
        return False
    if os.name == "nt":  # os.kill would end it there
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # type: ignore[attr-defined,unused-ignore]
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)  # type: ignore[attr-defined,unused-ignore]
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def estimate(records: Iterable[Record], hub: str, kind: str, spec: dict[str, Any]) -> float | None:
    """Seconds that a job like this takes on this hub, out of what earlier ones took; None when there were none.

    Jobs with the same preset and prior count, scaled by effort: median of the newest five that ended, else what the
    worker itself first thought of the newest one.
    """

    def effort(values: dict[str, Any]) -> float:
        return max(float(values.get("effort", 1.0) or 1.0), 0.001)

    def alike(one: Record) -> bool:
        same = all(one.spec.get(name, "") == spec.get(name, "") for name in ("preset", "prior"))
        return one.hub == hub and one.kind == kind and same

    similar = [one for one in records if alike(one)]
    took = sorted(one.seconds / effort(one.spec) for one in [one for one in similar if one.seconds > 0.0][:5])
    if took:
        return took[len(took) // 2] * effort(spec)
    told = [one.told / effort(one.spec) for one in similar if one.told > 0.0]
    return told[0] * effort(spec) if told else None
