# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the fault tests: a hub of one's own to break, and one that stands for a whole file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "backend" / "worker")]  # hub_process and scripted_jobs

from hub_process import HubProcess  # noqa: E402


@pytest.fixture
def hub(tmp_path):
    process = HubProcess(tmp_path / "data")
    process.folder.mkdir()
    yield process
    process.close()


@pytest.fixture(scope="module")
def steady_hub(tmp_path_factory):
    """One hub for a whole file of tests that leave it standing."""
    process = HubProcess(tmp_path_factory.mktemp("steady") / "data")
    process.folder.mkdir()
    process.start()
    yield process
    process.close()


@pytest.fixture
def folder():
    """A folder in memory where there is one: stories commit often, and durability is not what they are about."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)
