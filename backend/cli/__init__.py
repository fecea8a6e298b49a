# SPDX-License-Identifier: GPL-3.0-or-later
"""The `maquette` command. Each subcommand's module is imported only when it is used, so that `serve` starts at once.

Exit codes: 0 done, 1 the job or the hub failed, 2 wrong usage or bad input, 3 no hub can be reached, 130 cancelled.
"""

from __future__ import annotations

import errno
import importlib
import sys

import click

from backend import __version__
from protocol.errors import MaquetteError

FAILED, USAGE, NO_HUB, CANCELLED = 1, 2, 3, 130
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # nothing that another folder's name would mend

COMMANDS = {"serve": "serve", "worker": "serve", "generate": "generate", "make": "make", "again": "again",
            "batch": "batch", "doctor": "doctor", "status": "status", "job": "job", "keys": "keys", "audit": "keys",
            "hub": "hub"}


class _Commands(click.Group):
    """Finds a subcommand in its own module."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"backend.cli.{COMMANDS[name]}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="maquette")
def group() -> None:
    """A sentence becomes a textured mesh."""


def exit_code(error: MaquetteError) -> int:
    """The exit code that tells a script what kind of error it was."""
    if error.kind == "cancelled":
        return CANCELLED
    if error.code in ("not_connected", "unknown_session"):
        return NO_HUB
    return USAGE if error.kind == "client" else FAILED


def main() -> None:
    """Entry point of the `maquette` command."""
    try:
        code = group(prog_name="maquette", standalone_mode=False)
        sys.exit(code if type(code) is int else 0)
    except click.exceptions.Abort:
        click.echo("Cancelled.", err=True)
        sys.exit(CANCELLED)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except MaquetteError as problem:
        where = f" (while: {problem.stage})" if problem.stage else ""
        click.echo(f"Error: {problem.message}{where}", err=True)
        if problem.hint:
            click.echo(f"  {problem.hint}", err=True)
        sys.exit(exit_code(problem))
    except OSError as problem:
        if problem.filename is None:
            raise  # not a file that somebody named
        click.echo(f"Error: {problem.filename}: {problem.strerror}", err=True)
        sys.exit(FAILED if problem.errno in DISK_TROUBLE else USAGE)
