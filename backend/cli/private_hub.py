# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub that a command uses: the one that runs already, or a private one that lives as long as the command."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import numpy as np

from protocol.client import Client
from protocol.errors import InternalError, NotConnected, Poisoned, WorkerCrashed
from protocol.keys import read_pairing_file
from protocol.local import default_data_folder, read_connection_file
from protocol.specs import Spec

ANSWER_SECONDS = 3.0  # for a hub that has left a connection file
STUDIO_SECONDS = 15.0  # for a hub on another machine
START_SECONDS = 60.0  # for a new one, on a slow disk; it takes well under a second normally
STOP_SECONDS = 15.0


@contextlib.contextmanager
def running_hub(data: Path | None) -> Iterator[Client]:
    """A client of the hub that runs in `data` (or in this user's folder). Raises NotConnected when there is none."""
    folder = data or default_data_folder()
    read_connection_file(folder)  # says at once that there never was one
    with Client.local(folder, software="maquette command") as client:
        client.wait_connected(ANSWER_SECONDS)
        yield client


@contextlib.contextmanager
def existing_hub(data: Path | None, pairing: Path | None) -> Iterator[Client]:
    """A client of a studio's hub, or of this machine's. Raises NotConnected where it does not run."""
    if pairing is None:
        with running_hub(data) as client:
            yield client
        return
    with Client.paired(read_pairing_file(pairing), software="maquette command") as client:
        client.wait_connected(STUDIO_SECONDS)
        yield client


def leave(data: Path | None, pairing: Path | None, spec: Spec, inputs: Mapping[str, np.ndarray]) -> None:
    """Submit a job, wait until the hub has it with all that goes in with it, and print its id.

    Raises NotConnected where no hub runs: a private one would end with this command.
    """
    with existing_hub(data, pairing) as client:
        job = client.submit(spec, inputs)
        while client.jobs[job].state in ("SUBMITTING", "NEED_BLOBS"):
            client.poll(0.05)
            time.sleep(0.01)
        if (error := client.jobs[job].error) is not None:
            raise error
    click.echo(job)
    which = "".join(f" --{name} {path}" for name, path in (("data", data), ("hub", pairing)) if path is not None)
    click.echo(f"The hub has it. Later: maquette job fetch {job[:8]}{which} --out FOLDER", err=True)


@contextlib.contextmanager
def any_hub(
    data: Path | None, alone: bool, keep: Path | None = None, pairing: Path | None = None
) -> Iterator[Client]:
    """The running hub if there is one (and not `alone`), otherwise a private one, see `private_hub` for `keep`.

    pairing: file with the pairing string of a studio's hub, which is used then and no other.
    """
    if pairing is not None:
        with existing_hub(data, pairing) as client:
            yield client
        return
    if not alone:
        with contextlib.ExitStack() as stack:
            try:
                running: Client | None = stack.enter_context(running_hub(data))
            except NotConnected:
                running = None
            if running is not None:
                yield running
                return
    with private_hub(keep) as client:
        yield client


@contextlib.contextmanager
def private_hub(keep: Path | None = None) -> Iterator[Client]:
    """A hub and a worker of our own; both have ended when the context is left, and only the logs of a crash stay.

    keep: a folder for its queue that stays, so that the next one goes on with the same jobs.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="maquette-"))
    command = [sys.executable, "-m", "backend.cli", "serve", "--data", str(folder), "--exit-with-parent", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [_root(), os.environ.get("PYTHONPATH")]))}
    def start() -> subprocess.Popen[bytes]:
        """In a session of its own, so that Ctrl-C reaches this command alone."""
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=os.name != "nt", env=environment,
        )

    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / "connection.json").unlink(missing_ok=True)
    hub = start()
    keep_logs = False
    try:
        begun = time.monotonic()
        end = begun + START_SECONDS
        while not (folder / "connection.json").exists():
            if hub.poll() is not None:
                if keep is not None and time.monotonic() - begun < STOP_SECONDS:
                    time.sleep(1.0)  # the hub of a command that was killed holds the folder for some seconds more
                    hub = start()
                    continue
                raise InternalError(f"The hub ended at its start with exit code {hub.returncode}.",
                                    hint="Run `maquette doctor` to see what is missing.")
            if time.monotonic() > end:
                raise NotConnected("The hub did not start in time.", hint="Run `maquette serve` to see why.")
            time.sleep(0.02)
        with Client.local(folder, software="maquette command") as client:
            client.wait_connected(START_SECONDS)
            yield client
    except (InternalError, WorkerCrashed, Poisoned):  # what the logs say more about than the error
        keep_logs = True
        raise
    finally:
        hub.terminate()
        try:
            hub.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            hub.kill()
            hub.wait()
        if keep is None:
            _clean(folder, keep_logs)


def _clean(folder: Path, keep_logs: bool) -> None:
    """Remove a private hub's folder, except for the logs of one that went wrong."""
    if not keep_logs or not (folder / "logs").exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    for one in folder.iterdir():
        if one.is_dir() and one.name != "logs":
            shutil.rmtree(one, ignore_errors=True)
        elif one.is_file():
            one.unlink(missing_ok=True)
    click.echo(f"The logs are in {folder / 'logs'}", err=True)


def _root() -> str:
    """The folder that holds the packages, for a command that runs from a checkout."""
    return str(Path(__file__).resolve().parents[2])
