# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette status`: a hub at a glance, this machine's or a studio's: places for workers, users and shares, the queue.

In a terminal the view stays and is drawn anew every second; elsewhere, or with --once, it is printed once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.options import existing_hub_options
from protocol.keys import read_pairing_file
from protocol.local import default_data_folder, read_connection_file

if TYPE_CHECKING:
    from rich.console import RenderableType

JOB_ROWS, USER_ROWS = 20, 12  # shown of what the hub tells
NUMBERS = ("waiting", "running", "ended/h", "share", "done")
CALM, BUSY, BAD = "dim", "green", "red"
COLOURS = {
    "RUNNING": BUSY, "LEASED": BUSY, "RETRY_WAIT": "yellow", "CANCEL_REQ": "yellow", "PAUSE_REQ": "yellow",
    "PAUSED": CALM, "NEED_BLOBS": CALM,
}


@click.command()
@existing_hub_options
@click.option("--every", type=click.FloatRange(min=0.2), default=1.0, show_default=True, help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Print it once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print it once as one JSON object, for programs.")
def status(data: Path | None, hub: Path | None, every: float, once: bool, as_json: bool) -> None:
    """Show the queue, the workers and the users, and keep showing them until Ctrl-C.

    Of a studio's hub, the titles of other users' jobs are shown to leads and admins only.
    """
    look = _looker(data, hub)

    facts = look()
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if once or not sys.stdout.isatty():
        console.print(page(facts))
        return
    with Live(page(facts), console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                live.update(page(look()), refresh=True)
        except KeyboardInterrupt:
            return  # how one leaves it


def _looker(data: Path | None, hub: Path | None) -> Callable[[], dict[str, Any]]:
    """How to ask the hub that is meant. Raises NotConnected, BadRequest or NotAllowed before anything is drawn."""
    from backend.cli.ask import ask_running, ask_studio

    if hub is not None:
        pairing = read_pairing_file(hub)
        return lambda: ask_studio(pairing, "status", {})
    folder = data or default_data_folder()
    read_connection_file(folder)  # says at once that there never was a hub
    return lambda: ask_running(folder, "status", {})


def page(facts: dict[str, Any]) -> RenderableType:
    """What `backend.hub.report` tells, as one page."""
    from rich.console import Group
    from rich.text import Text

    hub = facts["hub"]
    waiting = ", ".join(f"{number} {name}" for name, number in hub["waiting"].items() if number) or "none"
    head = Text(f"Hub {hub['version']}, up {span(hub['seconds'])}, {hub['clients']} clients; jobs waiting: {waiting}; "
                f"{hub['ended_last_hour']} ended in the last hour; {size(hub['stored_bytes'])} kept, "
                f"{size(hub['free_bytes'])} free")
    if hub["draining"]:
        head.append("  stopping", style="bold yellow")
    if not hub["room"]:
        head.append("  the disk is full, nothing is started", style=f"bold {BAD}")
    return Group(head, _places(facts["workers"]), _users(facts["users"]), _jobs(facts["jobs"]))


def _places(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table("Workers", "worker", "slot", "device", "state", "worker", "device free", "memory", "heard", "job")
    for one in rows:
        state = one["state"] + (f": {one['reason']}" if one["reason"] else "")
        if one["says"]:
            state = "working" if one["job"] else one["says"]
        silent = one["silent_seconds"]
        _add(
            table, "/".join(filter(None, (one["machine"], one["slot"]))), one["device"][:16], state, one["worker"],
            size(one["device_free_bytes"]) if one["device_free_bytes"] else "", size(one["process_bytes"]),
            f"{silent:.0f} s ago" if one["says"] else "", one["job"][:8], style=BAD if silent > 10 else None,
        )
    return table


def _users(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table("Users", "user", "user", "waiting", "running", "ended/h", "share", "device time")
    for one in rows[:USER_ROWS]:
        _add(table, one["user"], str(one["waiting"]), str(one["running"]), str(one["ended_last_hour"]),
             f"{one['share']:.0%}", span(one["total_seconds"]))
    if len(rows) > USER_ROWS:
        _add(table, f"and {len(rows) - USER_ROWS} more")
    return table


def _jobs(rows: list[dict[str, Any]]) -> RenderableType:
    table = _table("Jobs", "title", "job", "user", "state", "class", "age", "stage", "done", "title")
    for one in rows[:JOB_ROWS]:
        working = one["state"] == "RUNNING"
        _add(
            table, one["job"][:8], one["user"], one["state"].lower().replace("_", " "), one["priority"],
            span(one["seconds"]), one["stage"] if working else "", f"{one['fraction']:.0%}" if working else "",
            one["title"], style=COLOURS.get(one["state"]),
        )
    if len(rows) > JOB_ROWS:
        _add(table, f"and {len(rows) - JOB_ROWS} more")
    return table


def _table(title: str, long: str, *columns: str) -> Any:
    """long: the column that a narrow terminal cuts first; the ids that commands want are kept whole."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", expand=False, pad_edge=False, box=None, header_style="bold")
    for one in columns:
        table.add_column(one, no_wrap=one != long, justify="right" if one in NUMBERS else "left")
    return table


def _add(table: Any, *cells: str, style: str | None = None) -> None:
    """One row; what users wrote is not read as markup."""
    from rich.text import Text

    table.add_row(*(Text(one, no_wrap=True, overflow="ellipsis") for one in cells), style=style)


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(seconds)
    for unit, length, smaller in (("d", 86400, "h"), ("h", 3600, "min"), ("min", 60, "s")):
        if whole >= length:
            part = {"h": 3600, "min": 60, "s": 1}[smaller]
            return f"{whole // length} {unit} {whole % length // part} {smaller}"
    return f"{whole} s"


def size(count: float) -> str:
    """Bytes in a unit that suits them."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
