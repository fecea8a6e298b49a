# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands have: which hub is meant, and how long it is waited for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

HUB = click.option("--hub", type=click.Path(path_type=Path, dir_okay=False), default=None,
                   help="File with the pairing string of a studio's hub (mode 0600), to use that one.")
HERE = click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
                    help="Data folder of the hub of this machine.")
RUNNING = click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
                       help="Data folder of the hub to use when one runs there.")
ALONE = click.option("--alone", is_flag=True, help="Start a private hub even if one runs.")
TIMEOUT = click.option("--timeout", type=click.FloatRange(min=0.0, min_open=True), default=None,
                       help="Give up (and cancel) after so many seconds.")
DETACH = click.option("--detach", is_flag=True, help="Leave it to a hub that runs, print the job's id and end; "
                      "`maquette job fetch` gets the result.")


def existing_hub_options(command: F) -> F:
    """For commands that look at a hub: `data` and `hub`."""
    return HERE(HUB(command))


def any_hub_options(command: F) -> F:
    """For commands that need a hub and start one where none runs: `data`, `alone` and `hub`."""
    return RUNNING(ALONE(HUB(command)))


def one_job_options(command: F) -> F:
    """The same for commands that do one job: `timeout` and `detach` as well."""
    return any_hub_options(TIMEOUT(DETACH(command)))
