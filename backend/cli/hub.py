# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette hub backup, check, restore`: looking after a data folder; the first two also beside a running hub."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from protocol.local import default_data_folder

DATA = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), default=None,
    help="The hub's data folder. Default: this user's.",
)


@click.group()
def hub() -> None:
    """Back up, check and restore a hub's queue and results."""


@hub.command()
@click.argument("to", type=click.Path(path_type=Path, file_okay=False))
@DATA
def backup(to: Path, data: Path | None) -> None:
    """Copy the queue and all results to the folder TO, while the hub runs. The next time only what is new is copied."""
    from backend.hub.safekeeping import backup as copy

    found = copy(data or default_data_folder(), to, _progress)
    click.echo(f"{found.jobs} jobs and {found.blobs} blobs ({found.bytes / 1e6:,.1f} MB) are in {to}")


@hub.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@DATA
@click.option("--hashes", is_flag=True, help="Read every blob and compare its hash; takes as long as the disk needs.")
def check(folder: Path | None, data: Path | None, hashes: bool) -> int:
    """Look for damage in the hub's data folder, or in a backup's FOLDER. Exit code 1 when there is some."""
    from backend.hub.safekeeping import check as look

    where = folder or data or default_data_folder()
    found = look(where, hashes, _progress)
    for problem in found.problems:
        click.echo(f"Problem: {problem}", err=True)
    click.echo(f"{where}: {found.jobs} jobs, {found.blobs} blobs ({found.bytes / 1e6:,.1f} MB), "
               f"{found.unknown} files that no job knows, {len(found.problems)} problems")
    if found.problems:
        click.echo("  `maquette hub restore BACKUP` puts a backup in its place.", err=True)
    return 1 if found.problems else 0


@hub.command()
@click.argument("backup_folder", metavar="BACKUP", type=click.Path(path_type=Path, file_okay=False))
@DATA
def restore(backup_folder: Path, data: Path | None) -> None:
    """Put a BACKUP in the place of the queue. The hub must not run; the store that is there is kept beside it."""
    from backend.hub.safekeeping import restore as put_back

    where = data or default_data_folder()
    found = put_back(backup_folder, where, time.strftime("%Y%m%d-%H%M%S"))
    click.echo(f"{where} has the {found.jobs} jobs of {backup_folder}; `maquette serve` goes on with them")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done == total or done % 16 == 0):
        click.echo(f"\r{done} of {total} blobs", nl=done == total, err=True)
