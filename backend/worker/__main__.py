# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.worker --data FOLDER`: what the hub starts. Kept free of heavy imports until it is connected."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
from pathlib import Path

from backend.hub.executors.environment import worker_environment


def main(arguments: list[str]) -> int:
    """Run a worker for the hub of a data folder; gives the exit code."""
    parser = argparse.ArgumentParser(prog="maquette worker", description="Runs jobs for the hub of a data folder.")
    parser.add_argument("--data", type=Path, required=True, help="the hub's data folder")
    parser.add_argument("--name", default=f"worker-{secrets.token_hex(4)}", help="name of this worker, new each time")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s: %(message)s")
    os.environ.update(worker_environment(os.environ))  # before torch is imported anywhere
    from backend.worker.process import Worker

    return Worker(options.data, options.name).run()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)  # libraries with threads of their own must not hold up the end
