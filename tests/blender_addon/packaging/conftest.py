# SPDX-License-Identifier: GPL-3.0-or-later
"""The zips as a release has them, built once for all tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from release import addon

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def zips(tmp_path_factory) -> dict[str, Path]:
    """The zip of each platform and the legacy one, by what comes after the version in its name."""
    paths = addon.build(tmp_path_factory.mktemp("dist"), ROOT / "build" / "wheels")
    return {path.stem.rpartition("-")[2]: path for path in paths}


@pytest.fixture
def hub(tmp_path, make_ball, wait_for_file):
    """A scripted hub as a process of its own; gives its data folder."""
    data = tmp_path / "data"
    data.mkdir()
    np.savez(tmp_path / "arrays.npz", **make_ball())
    script = Path(__file__).parents[1] / "fake_hub.py"
    with (tmp_path / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, script, data, tmp_path / "arrays.npz"],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
        )
    try:
        wait_for_file(data / "connection.json", process)
        yield data
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def wait_for_file():
    def wait(path: Path, process: subprocess.Popen[bytes]) -> None:
        for _ in range(1000):
            if path.exists():
                return
            assert process.poll() is None, "the hub ended"
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError(f"{path.name} did not appear")

    return wait
