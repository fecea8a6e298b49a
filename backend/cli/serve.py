# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette serve` and `maquette worker`: the two processes that an installation consists of."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from protocol.local import default_data_folder

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
MOST_FILES = 65_536


def parent_watch() -> Callable[[], bool]:
    """Whether the process that started this one still lives; works with a parent that was killed."""
    import psutil

    parent = os.getppid()
    try:
        process = psutil.Process(parent)
        process.create_time()  # remembered, so that a later process with the same number is not taken for it
    except psutil.Error:
        return lambda: False
    return lambda: os.getppid() == parent and process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def raise_file_limit() -> None:
    """Let the hub hold as many connections as the system allows; the usual soft limit is for interactive programs."""
    if os.name != "nt":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Folder for the queue, the results and the logs. Default: this user's data folder.")
@click.option("--port", type=click.IntRange(0, 65535), default=0,
              help="Port for clients; 0 for the last one used, or any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; 0.0.0.0 for all of this machine's, which needs `maquette keys init`.")
@click.option("--back-port", type=click.IntRange(0, 65535), default=0, help="Port for workers; 0 as for --port.")
@click.option("--keys", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Folder of the hub's keys. Default: `keys` in the data folder.")
@click.option("--plain", is_flag=True, help="Do not encrypt; on the loopback interface only.")
@click.option("--no-worker", is_flag=True, help="Do not start worker processes.")
@click.option("--slots", default="auto", show_default=True,
              help="Places for workers: auto (one a GPU, or one on the CPU), or cpu:2 for two on the CPU.")
@click.option("--ray", default="", help="Address of a Ray cluster that runs the workers, or auto; needs the extra ray.")
@click.option("--drain-seconds", type=click.FloatRange(min=0.0), default=0.0, show_default=True,
              help="How long running jobs may go on when the hub is told to stop; then they store a checkpoint and "
              "wait for the next start. A second Ctrl-C or SIGTERM cuts it short.")
@click.option("--keep-days", type=click.FloatRange(min=0.0), default=30.0, show_default=True,
              help="How long results that were delivered, and inputs of ended jobs, are kept.")
@click.option("--keep-gb", type=click.FloatRange(min=0.0), default=0.0,
              help="How much is kept at most; the oldest goes first. 0: as much as the disk takes.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=None,
              help="Port of the loopback interface for Prometheus (/metrics); 0 for any that is free.")
@click.option("--exit-with-parent", is_flag=True, help="End when the process that started this one has ended.")
@click.option("--quiet", is_flag=True, help="Log problems only.")
def serve(data: Path | None, port: int, host: str, back_port: int, keys: Path | None, plain: bool, no_worker: bool,
          slots: str, ray: str, exit_with_parent: bool, quiet: bool,
          drain_seconds: float, keep_days: float, keep_gb: float, metrics_port: int | None) -> None:
    """Run a hub, with one worker a GPU, until it is told to stop (Ctrl-C or SIGTERM)."""
    from backend.hub.collect import Limits
    from backend.hub.server import Hub, HubOptions

    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    parent_lives = parent_watch() if exit_with_parent else lambda: True
    stop_asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stop_asked.append(number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    raise_file_limit()
    hub = Hub(HubOptions(
        data or default_data_folder(), port, worker=not no_worker, host=host, back_port=back_port, keys=keys,
        limits=Limits(keep_days, int(keep_gb * 1e9)), drain_seconds=drain_seconds,
        metrics_port=metrics_port, encrypt=not plain, slots=slots, ray=ray,
    ))
    if not quiet:
        click.echo(f"hub at {hub.info.address}, data in {hub.options.data}")
    hub.run(lambda: not stop_asked and parent_lives(), lambda: len(stop_asked) > 1)


@click.command()
@click.option("--hub", type=click.Path(path_type=Path, dir_okay=False, exists=True), default=None,
              help="File with the pairing string of a hub on another machine (mode 0600).")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Data folder of the hub of this machine, or, with --hub, where logs and scratch files go.")
@click.option("--slots", default="auto", show_default=True,
              help="With --hub: auto (one worker a GPU, or one on the CPU), or cpu:2 for two on the CPU.")
@click.option("--name", default="", help="Without --hub: name of this worker; a new one each time.")
def worker(hub: Path | None, data: Path | None, slots: str, name: str) -> None:
    """Work for a hub on another machine; or run one more worker for a hub of this one (`serve` starts its own)."""
    if hub is not None:
        from backend.worker.machine import work_for

        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
        stop_asked: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: stop_asked.append(number))
        work_for(hub, data or default_data_folder() / "worker", slots, lambda: not stop_asked)
        return
    from backend.worker.__main__ import main

    arguments = ["--data", str(data or default_data_folder()), *(["--name", name] if name else [])]
    code = main(arguments)
    logging.shutdown()
    os._exit(code)
