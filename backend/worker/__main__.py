# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.worker --data FOLDER`: what executors start. Kept free of heavy imports until it is connected."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
from pathlib import Path

from backend.hub.executors.environment import worker_environment
from protocol.keys import read_pairing_file


def main(arguments: list[str]) -> int:
    """Run a worker for the hub of a data folder, or for one somewhere else; gives the exit code."""
    parser = argparse.ArgumentParser(prog="maquette worker", description="Runs jobs for one hub.")
    parser.add_argument("--data", type=Path, required=True, help="the local hub's data folder, or where to keep things")
    parser.add_argument("--name", default=f"worker-{secrets.token_hex(4)}", help="name of this worker, new each time")
    parser.add_argument("--hub", default="", help="file with a pairing string, or - for one line of standard input, "
                                                  "which is then watched: the worker ends when it closes")
    parser.add_argument("--most-jobs", type=int, default=int(os.environ.get("MAQUETTE_MOST_JOBS") or 100),
                        help="end after so many, to be started afresh (also MAQUETTE_MOST_JOBS)")
    parser.add_argument("--alone-seconds", type=float, default=float(os.environ.get("MAQUETTE_ALONE_SECONDS") or 30),
                        help="end after so long without a job and without the local hub (also MAQUETTE_ALONE_SECONDS)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s: %(message)s")
    os.environ.update(worker_environment(os.environ))  # before torch is imported anywhere
    from backend.worker.hubs import FolderHub, Hub, HubSource, KnownHub, end_with, paired
    from backend.worker.process import Worker

    hubs: HubSource = FolderHub(options.data)
    if options.hub == "-":
        hubs = KnownHub(Hub.from_line(sys.stdin.readline()))
        end_with(sys.stdin)
    elif options.hub:
        pairing = read_pairing_file(Path(options.hub))
        hubs = KnownHub(paired(pairing))
        if not options.name.startswith(f"{pairing.name}-"):  # as the hub demands of this machine's workers
            options.name = f"{pairing.name}-{options.name}"
    options.data.mkdir(parents=True, exist_ok=True)
    return Worker(
        hubs, options.data, options.name, most_jobs=options.most_jobs, alone_seconds=options.alone_seconds
    ).run()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)  # libraries with threads of their own must not hold up the end
