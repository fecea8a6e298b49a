# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette batch FILE`: many jobs out of a YAML or CSV manifest, with a log that a killed batch goes on from.

The files of a row are those of `maquette generate`. Where rows ask for a .blend, Blender puts these together at the
end, as a process of its own: the module of this environment, or a Blender program.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click

from backend.cli import blends
from backend.cli.generate import absolute_prior, write_files
from backend.cli.inputs import load_inputs, load_stage
from backend.cli.options import any_hub_options
from backend.cli.private_hub import any_hub
from backend.cli.status import span
from protocol.batch import ledger, manifest, runner
from protocol.batch.asked import request_of
from protocol.batch.manifest import Row
from protocol.batch.shelf import Shelf
from protocol.errors import OutOfSpace
from protocol.updates import JobProgress, JobWarning, Result


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
@any_hub_options
def batch(file: Path, out: Path | None, state: Path | None, settings: tuple[str, ...], limit: int, only_failed: bool,
          dry_run: bool, blender: str, data: Path | None, alone: bool, hub: Path | None) -> None:
    """Run all jobs of FILE (.yaml, .json or .csv); started again, it goes on where it was.

    Exit code 0: all done; 1: some failed; 2: FILE or an option is wrong; 3: no hub; 130: interrupted.
    """
    rows = [_with_absolute_prior(row) for row in manifest.load(file, settings)]
    out = (out or file.with_suffix("")).resolve()
    store = Store(out, (state or out / ".batch").resolve())
    if any(row.blend for row in rows):
        command = blends.command(blender)
    with ledger.Ledger(store.state) as log:
        todo, skipped = runner.plan(rows, log, store.kept, only_failed)
        if dry_run:
            show_plan(rows, {row.id for row in todo})
            return
        outcomes, stopped = skipped, False
        if todo:
            log.write("begin", file=file.name, rows=len(rows), to_run=len(todo))
            with stopping() as asked, any_hub(data, alone, store.state / "hub", hub) as client:
                run = runner.Runner(client, log, store.save, limit=limit, show=Narrator(len(todo)),
                                    stopping=lambda: bool(asked),
                                    inputs_of=lambda row: load_inputs(row.spec.kind, row.inputs))
                outcomes = sorted([*skipped, *run.run(todo)], key=lambda one: one.row.number)
                stopped = bool(asked)
        blends_failed = False
        if not stopped:
            for path, plan in store.plans(outcomes):
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


class Store(Shelf):
    """Where a batch keeps things, and how it writes a row's files."""

    def save(self, row: Row, key: str, result: Result) -> list[str]:
        """Write a result's files into the row's folder. The report comes last: it says that the rest is whole."""
        folder = self.out / row.out
        inputs = load_inputs(row.spec.kind, row.inputs) if row.inputs else None
        stage, target = load_stage(row.spec.kind, row.inputs) if row.inputs else ({}, "")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if row.blend:
                self.keep(key, result.arrays, stage, {"target": target})
        except OSError as problem:
            raise OutOfSpace(f"The result could not be written to {folder}: {problem.strerror}.") from problem
        facts = {"batch": {"row": row.id, "key": key}, "request": request_of(row.spec, row.inputs)}
        names = write_files(folder, result, facts, inputs)
        names += [name for name in blends.bring(folder, row.spec, result, stage, target) if name not in names]
        return [f"{row.out}/{name}" for name in names]


def assemble(command: list[str], path: Path, plan: dict[str, Any], log: ledger.Ledger) -> bool:
    """Let Blender write one .blend; says so and gives False when it could not."""
    reason = blends.follow(command, plan, log.folder)
    if not reason:
        log.write("blend", file=str(path), objects=len(plan["objects"]))
        return True
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


class Narrator:
    """Says what happens to the rows, and how many are left. total: rows that run. clock: monotonic seconds."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._ended, self._clock, self._began = total, 0, clock, clock()
        self._stages: dict[str, str] = {}

    def __call__(self, row: Row, update: Any) -> None:
        if isinstance(update, runner.Outcome):
            self._ended += 1
            error = f": {update.error}" if update.error is not None and update.state == "failed" else ""
            click.echo(f"{row.number:>5}  {update.state}  {row.title[:40]}  ({self._where()}){error}", err=True)
        elif isinstance(update, JobWarning):
            click.echo(f"{row.number:>5}  warning: {update.text}", err=True)
        elif isinstance(update, JobProgress) and self._stages.get(row.id) != update.stage:
            self._stages[row.id] = update.stage
            click.echo(f"{row.number:>5}  {update.fraction:4.0%} {update.stage}", err=True)

    def _where(self) -> str:
        """How many have ended, and how long the rest takes if it goes on so; the first says too little of that."""
        text, left = f"{self._ended} of {self._total}", self._total - self._ended
        if self._ended < 2 or not left:
            return text
        return f"{text}, about {span((self._clock() - self._began) / self._ended * left)} left"


def show_plan(rows: Sequence[Row], todo: set[str]) -> None:
    """What a dry run prints."""
    for row in rows:
        what = "run" if row.id in todo else "skip"
        blend = f"  in {row.blend}" if row.blend else ""
        click.echo(f"{row.number:>5}  {what:<4}  {row.title[:48]:<48}  {row.out}{blend}")
    click.echo(f"{len(todo)} of {len(rows)} jobs would run")
