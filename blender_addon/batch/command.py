# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette batch` inside Blender: the same manifests, log and exit codes as the shell's, through the add-on's hub.

Each row's folder gets what the job made (model.glb, base_colour.png, preview.png, picture.png, ...) and report.json;
rows that name a .blend stand in it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import bpy
import numpy as np

from .. import identities, link, wire
from . import assemble
from .inputs import Inputs

manifest, ledger, runner = wire.load("batch.manifest"), wire.load("batch.ledger"), wire.load("batch.runner")
shelf, names_of = wire.load("batch.shelf"), wire.load("specs.variations").names_of

CONNECT_S = 90.0
"""A hub that is started has to load its packages first."""
AS_THEY_ARE = {
    "base_colour": "base_colour.png", "thumbnail": "preview.png", "picture": "picture.png", "mask": "mask.png",
    "identity": "identity.safetensors",
}
"""Arrays that are files."""
IN_SCENE = {"vertices", "base_colour", "joint_heads", "motion_rotations"}
"""Arrays that change what stands in a scene: with any of these a model.glb is written."""
IN_GLB = ("vertices", "faces", "uvs", "normals", "edges", "corner_edges")


def main(arguments: Sequence[str]) -> int:
    """`batch FILE [options]`; gives the exit code: 0 done, 1 some failed, 2 wrong use, 3 no hub, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="maquette", description="Maquette without a window.")
    commands = parser.add_subparsers(dest="command", required=True)
    batch = commands.add_parser("batch", help="run all jobs of a manifest")
    batch.add_argument("file", type=Path, help=".yaml, .json or .csv")
    batch.add_argument("--out", type=Path, help="folder for the files; default: beside FILE, with its name")
    batch.add_argument("--state", type=Path, help="folder of the log; default: .batch inside --out")
    batch.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    batch.add_argument("--jobs", dest="limit", type=int, default=4, help="how many may be at the hub at once (4)")
    batch.add_argument("--only-failed", action="store_true", help="only what failed the last time")
    batch.add_argument("--dry-run", action="store_true", help="show what would be done")
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as ended:  # argparse ends the process; Blender wants a number
        return int(ended.code or 0)
    try:
        return run(
            options.file, out=options.out, state=options.state, settings=options.settings, limit=options.limit,
            only_failed=options.only_failed, dry_run=options.dry_run,
        )
    except wire.errors.MaquetteError as error:
        print(f"Error: {error.message}", error.hint, sep="\n  ", file=sys.stderr)
        if error.code == "not_connected":
            return 3
        return 2 if error.kind == "client" else 1


def run(
    file: Path,
    *,
    out: Path | None = None,
    state: Path | None = None,
    settings: Sequence[str] = (),
    limit: int = 4,
    only_failed: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Run a manifest and give the exit code. Raises MaquetteError for a wrong manifest and for no hub.

    It replaces the open file, so it is refused in a Blender with a window.
    """
    if not bpy.app.background:
        raise wire.errors.BadRequest("A batch replaces the open file.", path="batch",
                                     hint="Run it with blender --background, or with `maquette batch` in a shell.")
    file = Path(file)
    rows = manifest.load(file, settings)
    out = (Path(out) if out else file.with_suffix("")).resolve()
    given = Inputs()
    store = Store(out, (Path(state) if state else out / ".batch").resolve(), given)
    with ledger.Ledger(store.state) as log:
        todo, skipped = runner.plan(rows, log, store.kept, only_failed)
        if dry_run:
            chosen = {row.id for row in todo}
            for row in rows:
                say(f"{row.number:>5}  {'run' if row.id in chosen else 'skip':<4}  {row.title[:48]:<48}  {row.out}")
            say(f"{len(todo)} of {len(rows)} jobs would run")
            return 0
        outcomes, stopped = skipped, False
        if todo:
            log.write("begin", file=file.name, rows=len(rows), to_run=len(todo))
            desk = connected()
            asked: list[int] = []
            before = {number: signal.signal(number, _noting(asked)) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                work = runner.Runner(desk, log, store.save, limit=max(1, limit), stopping=lambda: bool(asked),
                                     show=lambda row, update: _show(say, row, update), inputs_of=given.of)
                outcomes = sorted([*skipped, *work.run(todo)], key=lambda one: one.row.number)
            finally:
                for number, handler in before.items():  # None: Blender's own, which Python cannot put back
                    signal.signal(number, signal.SIG_DFL if handler is None else handler)
            stopped = bool(asked)
        if not stopped:
            store.write_blends(outcomes, log)
        log.write("end", stopped=stopped, rows=len(outcomes))
    say(runner.summary(outcomes))
    return int(runner.exit_code(outcomes, stopped))


def _noting(asked: list[int]) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: asked.append(number)


def _show(say: Callable[[str], None], row: Any, update: Any) -> None:
    if isinstance(update, runner.Outcome):
        error = f": {update.error}" if update.error is not None and update.state == "failed" else ""
        say(f"{row.number:>5}  {update.state}{error}")
    elif isinstance(update, wire.updates.JobWarning):
        say(f"{row.number:>5}  warning: {update.text}")


class LinkDesk:
    """The add-on's connection as a batch uses it: it also minds the hub of this machine."""

    def __init__(self, current: link.Link) -> None:
        self._current = current
        self._client = current.connection.client

    def submit(self, spec: Any, inputs: Any = None, *, job: str = "") -> str:
        return str(self._client.submit(spec, inputs, job=job))

    def cancel(self, job: str) -> None:
        self._client.cancel(job)

    def forget(self, job: str) -> None:
        self._client.forget(job)

    def poll(self, budget_seconds: float = 0.03) -> Sequence[Any]:
        self._current.connection.mind()
        return list(self._client.poll(budget_seconds))


def connected() -> LinkDesk:
    """The add-on's hub, found or started. Raises MaquetteError when there is none."""
    current = link.current()
    current.connect()
    end = time.monotonic() + CONNECT_S
    while current.state is not link.State.CONNECTED:
        current.pump(0.05)
        if current.problem is not None:
            raise current.problem
        if time.monotonic() > end:
            raise wire.errors.NotConnected("No hub has answered.", hint="Start one with: maquette serve")
        time.sleep(0.05)
    return LinkDesk(current)


class Store(shelf.Shelf):  # type: ignore[name-defined,misc]
    """Where a batch keeps things. given: what went in."""

    def __init__(self, out: Path, state: Path, given: Inputs) -> None:
        super().__init__(out, state)
        self._given = given

    def save(self, row: Any, key: str, result: Any) -> list[str]:
        """Write a result's files; several results in one (`variations`) get a folder each: 1, 2, ... The report comes
        last: it says that the rest is whole."""
        folder = self.out / row.out
        result = self._given.completed(row, result)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.keep(key, result.arrays, *self._given.kept(row))
            whole = self.entry(row, key) | {"place": None}
            several = result.report.get("variations")
            if isinstance(several, list) and several:
                names = []
                for index, report in enumerate(several):
                    part = folder / str(index + 1)
                    part.mkdir(exist_ok=True)
                    names_in = names_of(index, list(result.arrays))
                    arrays = {short: result.arrays[long] for short, long in names_in.items()}
                    scratch = self.state / "part.npz"
                    np.savez(scratch, **arrays)
                    entry = whole | {"kind": "text_to_3d", "arrays": str(scratch)}
                    names += [f"{index + 1}/{name}" for name in self._write(part, entry, arrays, dict(report))]
                    scratch.unlink()
                    _write_report(part, report)
            else:
                names = self._write(folder, whole, result.arrays, result.report)
            if row.spec.kind == "learn":  # the next prompt may say the word
                identities.mine().keep(result.arrays["identity"].tobytes())
            _write_report(folder, {**result.report, "batch": {"row": row.id, "key": key}})
            if not row.blend:
                self.drop(key)
        except (OSError, identities.BrokenIdentity) as problem:
            raise wire.errors.OutOfSpace(f"The result could not be written to {folder}: {problem}.") from problem
        return [f"{row.out}/{name}" for name in (*names, "report.json")]

    def _write(
        self, folder: Path, entry: dict[str, Any], arrays: dict[str, np.ndarray], report: dict[str, Any]
    ) -> list[str]:
        """All files of one result but its report; gives their names."""
        names = []
        if not IN_SCENE.isdisjoint(arrays):
            scratch = self.state / "report.json"
            scratch.write_text(json.dumps(report), encoding="utf-8")
            if assemble.write_glb(folder / "model.glb", entry | {"report": str(scratch)}):
                names.append("model.glb")
            scratch.unlink()
        for array, name in AS_THEY_ARE.items():
            if array in arrays:
                (folder / name).write_bytes(arrays[array].tobytes())
                names.append(name)
        rest = {one: array for one, array in arrays.items() if one not in AS_THEY_ARE and one not in IN_GLB}
        if rest:
            np.savez(folder / "arrays.npz", **rest)
            names.append("arrays.npz")
        return names

    def write_blends(self, outcomes: Sequence[Any], log: Any) -> None:
        """Write each .blend that has a new object in it, or is missing."""
        for path, plan in self.plans(outcomes):
            file = self.state / "plan.json"
            file.write_text(json.dumps(plan), encoding="utf-8")
            assemble.main(str(file))
            file.unlink()
            log.write("blend", file=str(path), objects=len(plan["objects"]))


def _write_report(folder: Path, report: dict[str, Any]) -> None:
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
