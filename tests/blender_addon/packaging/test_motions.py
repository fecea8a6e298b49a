# SPDX-License-Identifier: GPL-3.0-or-later
"""Motions in every Blender that can be had: slotted Actions and plain ones, evaluated to 1e-5 m."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blender_addon.packaging.test_life import ASKED, PROGRAM, ROOT

SCRIPT = Path(__file__).with_name("motions.py")


@pytest.fixture
def wheels(tmp_path) -> Path:
    """A folder with nothing but what the wire needs."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("zmq", "msgpack"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        for part in (package, package.with_name("pyzmq.libs")):
            if part.exists() and not (folder / part.name).exists():
                (folder / part.name).symlink_to(part, target_is_directory=True)
    return folder


def judged(command: list[str | Path], wheels: Path, tmp_path: Path, path: str = "") -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAQUETTE"))}
    environment["BLENDER_USER_RESOURCES"] = str(tmp_path / "user")
    if path:
        environment["PATH"] = path
    done = subprocess.run([*command, wheels, tmp_path / "report.json"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=180)
    assert (tmp_path / "report.json").exists(), done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["wrong"] <= 1e-5 and report["again"] <= 1e-4
    assert report["strip"][0] == 2.0 and report["strip"][1] <= 1e-4
    assert report["kept"] == [True, True, True] and report["mine"] == pytest.approx(0.25)
    assert report["previewed"] and report["restored"] == "Round" and report["same"] > 1 - 1e-5
    assert report["markers"] == 1
    return report


@pytest.mark.parametrize("version", ASKED)
def test_motions_in_other_versions(version, wheels, tmp_path):
    python = ROOT / "build" / "blenders" / version / "bin" / "python"
    if f"python{sys.version_info.major}.{sys.version_info.minor}" not in os.listdir(python.parent):
        pytest.skip(f"Blender {version} has another Python than the one whose zmq is here")
    assert judged([python, SCRIPT], wheels, tmp_path)["blender"].startswith(version)


@pytest.mark.skipif(PROGRAM is None, reason="no Blender program on the PATH")
def test_motions_in_the_program(wheels, tmp_path):
    """Debian's Blender 3.4, or whichever is there; before 4.4 Actions have no slots."""
    path = os.pathsep.join([str(Path(str(PROGRAM)).parent), os.defpath])
    judged([str(PROGRAM), "-b", "--factory-startup", "--python", SCRIPT, "--"], wheels, tmp_path, path)
