# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette job`: look at single jobs of a hub and act on them: what `status` shows, and what anybody once submitted.

    maquette job list
    maquette job cancel 3f2a 91bc
    maquette job fetch 3f2a --wait --out out/chair

A job is named by the first digits of its id. Everybody can act on their own jobs; a lead, and the owner of a hub's data
folder, on everybody's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from backend.cli import blends
from backend.cli.ask import Talk, talk_with
from backend.cli.generate import write_files
from backend.cli.inputs import load_stage
from backend.cli.make import pair
from backend.cli.options import existing_hub_options
from backend.cli.private_hub import existing_hub
from backend.cli.status import span
from protocol.batch import inputs
from protocol.errors import BadRequest, MaquetteError, UnknownJob
from protocol.fields import Message
from protocol.keys import read_pairing_file
from protocol.local import default_data_folder
from protocol.messages import (
    FINAL_STATES,
    PRIORITIES,
    Cancel,
    Continue,
    Event,
    Get,
    Jobs,
    JobSummary,
    List,
    Pause,
    Reprioritise,
    Watch,
)
from protocol.specs import KINDS, spec_from_map
from protocol.updates import JobProgress, Update

PAGE = 100
LOOK_BACK = 2000  # own jobs that are searched for an id's first digits
SHORTEST = 4
MOVING = ("avatar", "rig", "animate")
"""Kinds whose results have a skeleton or a motion, which Blender writes into model.glb."""


@click.group()
def job() -> None:
    """List, show, cancel, pause, continue, move and fetch single jobs."""


@job.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--open", "open_only", is_flag=True, help="Only what has not ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@existing_hub_options
def show_list(limit: int, open_only: bool, as_json: bool, data: Path | None, hub: Path | None) -> None:
    """List your own jobs. `maquette status` shows everybody's that have not ended."""
    with _talk(data, hub) as talk:
        for one in _own(talk, limit, open_only):
            if as_json:
                click.echo(json.dumps(one.to_map(), ensure_ascii=False))
                continue
            ahead = f", {one.ahead} before it" if one.ahead > 0 else ""
            click.echo(f"{one.job[:8]}  {_words(one.state) + ahead:<22}  {span(time.time() - one.created):>12} ago  "
                       f"{one.kind:<11} {one.title}")


@job.command()
@click.argument("job", metavar="JOB")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@existing_hub_options
def show(job: str, as_json: bool, data: Path | None, hub: Path | None) -> None:
    """Show how JOB stands and everything that happened to it."""
    with _talk(data, hub) as talk:
        name = find(talk, job)
        summary = _one(talk.ask(Get(name)))
        talk.ask(Watch(name))
        events: list[Event] = []
        while len(events) < summary.seq:
            message = talk.next()
            if isinstance(message, Event) and message.job == name:
                events.append(message)
    if as_json:
        told = [{"state": one.state, "attempt": one.attempt, "text": one.text,
                 "error": one.error.to_map() if one.error else None} for one in events]
        click.echo(json.dumps({**summary.to_map(), "events": told}, ensure_ascii=False))
        return
    click.echo(f"{name}  {summary.kind}  {summary.title}\n{_words(summary.state)}, class {summary.priority}, submitted "
               f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(summary.created))}")
    for one in events:
        what = "warning" if one.kind == "warning" else _words(one.state)
        text = " ".join(filter(None, (one.text, *((one.error.message, one.error.hint) if one.error else ()))))
        click.echo(f"  {what:<12} attempt {one.attempt}  {text}".rstrip())


@job.command()
@click.argument("jobs", metavar="JOB...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of yours that have not ended.")
@existing_hub_options
def cancel(jobs: tuple[str, ...], everything: bool, data: Path | None, hub: Path | None) -> None:
    """End jobs; what they made so far is dropped."""
    if bool(jobs) == everything:
        raise click.UsageError("Name jobs, or say --all.")
    with _talk(data, hub) as talk:
        names = [one.job for one in _own(talk, 10**6, True)] if everything else _found(talk, jobs)
        _each(talk, names, Cancel)
        if not names:
            click.echo("There is nothing to cancel.")


@job.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@existing_hub_options
def pause(jobs: tuple[str, ...], data: Path | None, hub: Path | None) -> None:
    """Let jobs rest: they keep what they have done and free their devices."""
    with _talk(data, hub) as talk:
        _each(talk, _found(talk, jobs), Pause)


@job.command(name="continue")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@existing_hub_options
def go_on(jobs: tuple[str, ...], data: Path | None, hub: Path | None) -> None:
    """Let paused jobs go on; they wait their turn again."""
    with _talk(data, hub) as talk:
        _each(talk, _found(talk, jobs), Continue)


@job.command()
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("--first", "place", flag_value="first", help="Before the owner's other waiting jobs.")
@click.option("--last", "place", flag_value="last", help="Behind them.")
@click.option("--priority", type=click.Choice(PRIORITIES), default=None,
              help="Another class; the first comes before the others, and takes a lead.")
@existing_hub_options
def move(jobs: tuple[str, ...], place: str | None, priority: str | None, data: Path | None, hub: Path | None) -> None:
    """Give waiting jobs another place in the queue."""
    if not place and not priority:
        raise click.UsageError("Say --first, --last or --priority.")
    with _talk(data, hub) as talk:
        _each(talk, _found(talk, jobs), lambda name: Reprioritise(name, priority or "", place or ""))


@job.command()
@click.argument("job", metavar="JOB")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the files.")
@click.option("--input", "files", multiple=True, metavar="NAME=FILE",
              help="What went in with it, such as mesh=chair.glb: a new texture then comes back on its mesh.")
@click.option("--wait", is_flag=True, help="Wait until it has ended; Ctrl-C ends the waiting, not the job.")
@existing_hub_options
def fetch(job: str, out: Path, files: tuple[str, ...], wait: bool, data: Path | None, hub: Path | None) -> None:
    """Write what JOB made into a folder, wherever it was submitted. Exit code 1 when it failed, 130 when cancelled."""
    given, _ = inputs.located(dict(pair(one, "--input") for one in files), Path.cwd())
    with _talk(data, hub) as talk:
        name = find(talk, job)
        summary = _one(talk.ask(Get(name)))
    if summary.state not in FINAL_STATES and not wait:
        raise BadRequest(f"Job {name[:8]} has not ended, it is {_words(summary.state)}.", path="job",
                         hint="Say --wait to wait for it.")
    for one in set(given) - {*inputs.BUNDLES, *(one.name for one in KINDS[summary.kind].INPUTS)}:
        raise BadRequest(f"Jobs of the kind {summary.kind} take no input called {one}.", path=f"inputs.{one}")
    stage, target = load_stage(summary.kind, given)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.UsageError(f"--out {out}: {problem.strerror}") from problem
    said = {"stage": ""}

    def tell(update: Update) -> None:
        if isinstance(update, JobProgress) and update.stage != said["stage"]:
            said["stage"] = update.stage
            click.echo(f"{update.fraction:4.0%} {update.stage}", err=True)

    with existing_hub(data, hub) as client:
        client.watch(name)
        result = client.wait(name, on_update=tell)
    names = write_files(out, result, {"job": name}, stage)
    if summary.kind in MOVING:
        prompt = {"prompt": summary.title} if summary.kind != "rig" else {}
        spec = spec_from_map(summary.kind, prompt)
        names += [one for one in blends.bring(out, spec, result, stage, target) if one not in names]
    click.echo(f"{', '.join(names)} in {out}")


def _talk(data: Path | None, hub: Path | None) -> Any:
    return talk_with(data or default_data_folder(), read_pairing_file(hub) if hub is not None else None)


def _own(talk: Talk, limit: int, open_only: bool) -> Iterator[JobSummary]:
    """The own newest jobs, newest first."""
    before = ""
    while limit > 0:
        answer = talk.ask(List(min(limit, PAGE), open_only, before))
        assert isinstance(answer, Jobs)
        yield from answer.jobs
        limit -= len(answer.jobs)
        if not answer.jobs:
            return
        before = answer.jobs[-1].job


def find(talk: Talk, begin: str) -> str:
    """The one job whose id begins so. Raises BadRequest or UnknownJob."""
    begin = begin.lower()
    if not set(begin) <= set("0123456789abcdef") or not SHORTEST <= len(begin) <= 32:
        raise BadRequest(f"{begin!r} is no job.", path="job", hint=f"A job is named by the first {SHORTEST} or more "
                         "digits of its id, which `maquette status` and `maquette job list` show.")
    if len(begin) == 32:
        return begin
    known = {str(one["job"]) for one in talk.manage("status", {})["jobs"]}
    known |= {one.job for one in _own(talk, LOOK_BACK, False)}
    found = sorted(one for one in known if one.startswith(begin))
    if not found:
        raise UnknownJob(f"No job of yours begins with {begin}.", hint="`maquette job list` shows them.")
    if len(found) > 1:
        raise BadRequest(f"{len(found)} jobs begin with {begin}.", path="job", hint=f"They are {', '.join(found[:4])}.")
    return found[0]


def _found(talk: Talk, jobs: tuple[str, ...]) -> list[str]:
    return [find(talk, one) for one in jobs]


def _each(talk: Talk, names: list[str], message: Callable[[str], Message]) -> None:
    """Send one message for each job and say how it stands then; one that is refused does not keep the others back."""
    problem: MaquetteError | None = None
    for name in names:
        try:
            click.echo(f"{name[:8]}  {_words(_one(talk.ask(message(name))).state)}")
        except MaquetteError as refused:
            click.echo(f"{name[:8]}  {refused.message}", err=True)
            problem = refused
    if problem is not None:
        raise problem


def _one(answer: Message) -> JobSummary:
    assert isinstance(answer, Jobs)
    return answer.jobs[0]


def _words(state: str) -> str:
    return state.lower().replace("_", " ")
