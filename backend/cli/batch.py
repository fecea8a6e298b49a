# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette batch FILE`: many jobs out of a YAML or CSV manifest, with a log that a killed batch goes on from.

The files of a row are those of `maquette generate`. Where rows ask for a .blend, Blender puts these together at the
end, as a process of its own: the module of this environment, or a Blender program.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np

from backend.cli.generate import absolute_prior, write_files
from backend.cli.inputs import load_inputs
from backend.cli.private_hub import any_hub
from protocol.batch import ledger, manifest, runner
from protocol.batch.manifest import Row
from protocol.errors import BadRequest, OutOfSpace
from protocol.updates import JobProgress, JobWarning, Result

KEPT = "results"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Folder for the files. Default: a folder beside FILE with its name.")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Folder of the log and of what a restart needs. Default: .batch inside --out.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Goes over the defaults of FILE.")
@click.option("--jobs", "limit", type=click.IntRange(1, 256), default=4, show_default=True,
              help="How many jobs may be at the hub at once.")
@click.option("--only-failed", is_flag=True, help="Only what failed the last time.")
@click.option("--dry-run", is_flag=True, help="Show what would be done.")
@click.option("--blender", default="", metavar="PROGRAM", help="The Blender that writes .blend files. "
              "Default: Blender's module in this environment.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Data folder of the hub to use when one runs there.")
@click.option("--alone", is_flag=True, help="Start a private hub even if one runs.")
@click.option("--hub", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="File with the pairing string of a studio's hub (mode 0600), to use that one.")
def batch(file: Path, out: Path | None, state: Path | None, settings: tuple[str, ...], limit: int, only_failed: bool,
          dry_run: bool, blender: str, data: Path | None, alone: bool, hub: Path | None) -> None:
    """Run all jobs of FILE (.yaml, .json or .csv); started again, it goes on where it was.

    Exit code 0: all done; 1: some failed; 2: FILE or an option is wrong; 3: no hub; 130: interrupted.
    """
    rows = [_with_absolute_prior(row) for row in manifest.load(file, settings)]
    out = (out or file.with_suffix("")).resolve()
    store = Store(out, (state or out / ".batch").resolve())
    if any(row.blend for row in rows):
        command = blender_command(blender)
    with ledger.Ledger(store.state) as log:
        todo, skipped = runner.plan(rows, log, store.kept, only_failed)
        if dry_run:
            show_plan(rows, {row.id for row in todo})
            return
        outcomes, stopped = skipped, False
        if todo:
            log.write("begin", file=file.name, rows=len(rows), to_run=len(todo))
            with stopping() as asked, any_hub(data, alone, store.state / "hub", hub) as client:
                run = runner.Runner(client, log, store.save, limit=limit, show=show, stopping=lambda: bool(asked),
                                    inputs_of=lambda row: load_inputs(row.spec.kind, row.inputs))
                outcomes = sorted([*skipped, *run.run(todo)], key=lambda one: one.row.number)
                stopped = bool(asked)
        blends_failed = False
        if not stopped:
            for path, plan in store.blends(outcomes):
                blends_failed |= not assemble(command, path, plan, log)
        log.write("end", stopped=stopped, **{state: sum(one.state == state for one in outcomes)
                                             for state in ("done", "skipped", "failed", "cancelled")})
    click.echo(runner.summary(outcomes))
    code = runner.exit_code(outcomes, stopped) or int(blends_failed)
    if code == 0:
        shutil.rmtree(store.state / "hub", ignore_errors=True)  # the private hub's queue: nothing is left to go on with
    if code:
        raise click.exceptions.Exit(code)


def _with_absolute_prior(row: Row) -> Row:
    prior = getattr(row.spec, "prior", "")
    return replace(row, spec=replace(row.spec, prior=absolute_prior(prior))) if prior else row  # type: ignore[call-arg]


class Store:
    """Where a batch keeps things. out: the files that were asked for. state: log and raw results."""

    def __init__(self, out: Path, state: Path) -> None:
        self.out, self.state = out, state

    def result_path(self, key: str) -> Path:
        """The arrays of a finished job, kept for .blend files."""
        return self.state / KEPT / f"{key}.npz"

    def kept(self, row: Row, key: str) -> bool:
        """Is everything that this row made still there?"""
        there = (self.out / row.out / "report.json").is_file()
        return there and (not row.blend or self.result_path(key).is_file())

    def save(self, row: Row, key: str, result: Result) -> list[str]:
        """Write a result's files into the row's folder. The report comes last: it says that the rest is whole."""
        folder = self.out / row.out
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if row.blend:
                path = self.result_path(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_suffix(".part")
                with temporary.open("wb") as file:
                    np.savez(file, **result.arrays)  # type: ignore[arg-type,unused-ignore]
                os.replace(temporary, path)
        except OSError as problem:
            raise OutOfSpace(f"The result could not be written to {folder}: {problem.strerror}.") from problem
        facts = {"batch": {"row": row.id, "key": key}}
        inputs = load_inputs(row.spec.kind, row.inputs) if row.inputs else None
        return [f"{row.out}/{name}" for name in write_files(folder, result, facts, inputs)]

    def blends(self, outcomes: Sequence[runner.Outcome]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """(file, what stands in it) for each .blend that has to be written: with a new object in it, or missing."""
        groups: dict[str, list[runner.Outcome]] = {}
        for one in outcomes:
            if one.row.blend and one.state in ("done", "skipped"):
                groups.setdefault(one.row.blend, []).append(one)
        for name, group in groups.items():
            path = self.out / name
            if path.exists() and all(one.state == "skipped" for one in group):
                continue
            objects = [
                {
                    "arrays": str(self.result_path(one.key)), "report": str(self.out / one.row.out / "report.json"),
                    "prompt": str(getattr(one.row.spec, "prompt", "") or one.row.title), "job": one.key,
                    "name": str(getattr(one.row.spec, "name", "")),
                    "place": one.row.place,
                }
                for one in group
            ]
            yield path, {"file": str(path), "objects": objects}


def blender_command(program: str) -> list[str]:
    """How .blend files are written; `{}` stands for the plan's path. Raises BadRequest when there is no Blender."""
    root = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from blender_addon.batch import assemble; assemble.main({{!r}})"
    if program:
        found = shutil.which(program)
        if found is None:
            raise BadRequest(f"{program} is not a program that can be run.", path="blender")
        return [found, "--background", "--factory-startup", "--python-exit-code", "1", "--python-expr", code]
    if importlib.util.find_spec("bpy") is None:
        raise BadRequest("The manifest asks for .blend files, and this environment has no Blender.", path="blender",
                         hint="Name a Blender program with --blender, or install the bpy package.")
    return [sys.executable, "-c", code]


def assemble(command: list[str], path: Path, plan: dict[str, Any], log: ledger.Ledger) -> bool:
    """Let Blender write one .blend; says so and gives False when it could not."""
    plan_path = log.folder / "plan.json"
    plan_path.write_text(json.dumps(plan), encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([*command[:-1], command[-1].format(str(plan_path))], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    plan_path.unlink(missing_ok=True)
    if done.returncode == 0 and path.exists():
        log.write("blend", file=str(path), objects=len(plan["objects"]))
        return True
    reason = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no reason given"])[-1]
    log.write("blend_failed", file=str(path), reason=reason)
    click.echo(f"{path} could not be written: {reason}", err=True)
    return False


@contextlib.contextmanager
def stopping() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM fill the list, so that running jobs are cancelled and written down before the end."""
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if not asked:
            click.echo("Cancelling what runs; start the batch again to go on.", err=True)
        asked.append(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_stages: dict[str, str] = {}


def show(row: Row, update: Any) -> None:
    """A line for each row's stages and its end."""
    if isinstance(update, runner.Outcome):
        error = f": {update.error}" if update.error is not None and update.state == "failed" else ""
        click.echo(f"{row.number:>5}  {update.state}{error}", err=True)
    elif isinstance(update, JobWarning):
        click.echo(f"{row.number:>5}  warning: {update.text}", err=True)
    elif isinstance(update, JobProgress) and _stages.get(row.id) != update.stage:
        _stages[row.id] = update.stage
        click.echo(f"{row.number:>5}  {update.fraction:4.0%} {update.stage}", err=True)


def show_plan(rows: Sequence[Row], todo: set[str]) -> None:
    """What a dry run prints."""
    for row in rows:
        what = "run" if row.id in todo else "skip"
        blend = f"  in {row.blend}" if row.blend else ""
        click.echo(f"{row.number:>5}  {what:<4}  {row.title[:48]:<48}  {row.out}{blend}")
    click.echo(f"{len(todo)} of {len(rows)} jobs would run")
