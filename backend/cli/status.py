# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette status`: the jobs of the hub that runs on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from backend.cli.private_hub import running_hub
from protocol.client import Client
from protocol.errors import TimedOut
from protocol.messages import JobSummary
from protocol.updates import JobsListed

ANSWER_SECONDS = 5.0


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None, help="The hub's data folder.")
@click.option("--limit", type=click.IntRange(1, 256), default=20, show_default=True, help="How many jobs at most.")
@click.option("--open", "open_only", is_flag=True, help="Only jobs that have not ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def status(data: Path | None, limit: int, open_only: bool, as_json: bool) -> None:
    """List the newest jobs."""
    with running_hub(data) as client:
        jobs = ask(client, limit, open_only)
        if as_json:
            for one in jobs:
                click.echo(json.dumps(one.to_map(), ensure_ascii=False))
            return
        click.echo(f"{client.hub}, {len(jobs)} jobs shown")
        for one in jobs:
            made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.created))
            click.echo(f"{one.job}  {one.state:<10}  {made}  {one.title[:60]}")


def ask(client: Client, limit: int, open_only: bool) -> tuple[JobSummary, ...]:
    """The hub's answer. Raises TimedOut."""
    client.request_list(limit, open_only)
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        for update in client.poll(0.05):
            if isinstance(update, JobsListed):
                return update.jobs
        time.sleep(0.01)
    raise TimedOut("The hub did not list its jobs in time.", hint="It is busy; try again.")
