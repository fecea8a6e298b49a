# SPDX-License-Identifier: GPL-3.0-or-later
"""One session in Blender's window for all tests of this folder: the legacy zip, Xvfb, the real backend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from release import addon, wheels

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 1280, 960
LIMIT_S = 900.0
"""For a machine that does much else; a session takes about a minute on two idle cores."""


@pytest.fixture(scope="session")
def session(tmp_path_factory) -> dict[str, Any]:
    """The report of the session, with the folder of its pictures under `out`."""
    if not all(shutil.which(name) for name in ("blender", "Xvfb", "xvfb-run")):
        pytest.skip("these tests need a Blender program and Xvfb")
    folder = tmp_path_factory.mktemp("gui")
    out = folder / "out"
    out.mkdir()
    addons = folder / "user" / "scripts" / "addons"
    lock = wheels.locked()
    archive = folder / "legacy.zip"
    archive.write_bytes(addon.legacy(ROOT, wheels.fetch(lock, ROOT / "build" / "wheels"), lock))
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(addons)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAQUETTE"))}
    environment |= {
        "MAQUETTE_DATA": str(folder / "data"), "BLENDER_USER_RESOURCES": str(folder / "user"),
        "BLENDER_USER_SCRIPTS": str(folder / "user" / "scripts"), "BLENDER_USER_CONFIG": str(folder / "config"),
        "BLENDER_USER_DATAFILES": str(folder / "files"), "LIBGL_ALWAYS_SOFTWARE": "1", "OMP_NUM_THREADS": "1",
    }
    # Debian's Blender looks for its Python beside the first python3 on the PATH, which may be that of an environment.
    environment["PATH"] = os.pathsep.join([str(Path(shutil.which("blender") or "").parent), os.defpath])
    (folder / "data").mkdir()
    command = [
        "xvfb-run", "-a", "-s", f"-screen 0 {WIDTH}x{HEIGHT}x24", "blender", "--enable-event-simulate",
        "--factory-startup", "--window-geometry", "0", "0", str(WIDTH), str(HEIGHT),
        "--python", str(Path(__file__).with_name("session.py")), "--", sys.executable, str(out),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert (out / "report.json").exists(), done.stdout[-4000:] + done.stderr[-4000:]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    report["out"], report["said"] = out, done.stdout + done.stderr
    return report


@pytest.fixture
def step(session):
    """The facts that the session noted at a step, by its name."""
    def find(name: str) -> dict[str, Any]:
        for one in session["steps"]:
            if one["step"] == name:
                return one
        reached = session["steps"][-1]["step"] if session["steps"] else "nothing"
        raise AssertionError(f"the session came as far as {reached}: {session['problem']}\n{session['said'][-2000:]}")

    return find
