# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend for real, with a package small enough for a test: made by hand, fetched from nowhere."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zipfile
from pathlib import Path

import bpy
import pytest

from blender_addon import compat, installation, local_hub, preferences, ticking, wire

WHEEL = "maquette-9.9.0-py3-none-any.whl"


def wheel(folder: Path) -> Path:
    """A wheel with a `backend.cli` that prints its help and does nothing else."""
    files = {
        "backend/__init__.py": "",
        "backend/cli/__init__.py": "",
        "backend/cli/__main__.py": "print('usage: maquette')\n",
        "maquette-9.9.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: maquette\nVersion: 9.9.0\n",
        "maquette-9.9.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={hashlib.sha256(text.encode()).hexdigest()},{len(text)}\n" for name, text in files.items()
    )
    files["maquette-9.9.0.dist-info/RECORD"] = record
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def drive(current: installation.Installation, until, seconds: float = 90.0) -> list[float]:
    """Poll as the timer does; the fractions that a bar would have shown."""
    fractions, end = [], time.monotonic() + seconds
    while not until():
        current.poll()
        fractions.append(current.fraction)
        assert time.monotonic() < end, (current.title, current.line)
        time.sleep(0.01)
    return fractions


@pytest.fixture
def current(addon):
    made = installation.Installation()
    yield made
    made.cancel()


def test_from_nothing_to_an_environment_that_runs(current, tmp_path, monkeypatch):
    folder = installation.default_folder()
    steps = installation.plan(sys.executable, folder, str(wheel(tmp_path)), torch="", encoder="")
    assert [step.title for step in steps] == [
        "making the environment", "installing Maquette", "looking whether it runs",
    ]
    assert installation.installed_python() == ""
    current.begin(str(tmp_path / WHEEL), steps=steps, needed=0)
    assert current.running
    with pytest.raises(wire.errors.BadRequest, match="already"):
        current.begin(str(tmp_path / WHEEL))
    shown = drive(current, lambda: not current.running)
    assert current.problem is None, current.log.read_text()
    assert shown == sorted(shown) and shown[-1] == 1.0 and len(set(shown)) >= 3
    python = installation.installed_python()
    assert Path(python).is_file() and "usage: maquette" in current.log.read_text()
    assert local_hub.find_python(python, {}, "") == python

    current.remove()
    assert installation.installed_python() == "" and not folder.exists()


def test_a_step_that_fails_is_told_with_its_last_words_and_leaves_no_environment(current, tmp_path):
    (tmp_path / "broken.whl").write_bytes(b"no zip")
    folder = installation.default_folder()
    failing = (sys.executable, "-c", "import sys; print('fetching'); sys.exit('there is no such package')")
    folder.mkdir(parents=True)
    current.begin(str(tmp_path / "broken.whl"), steps=[installation.Step("installing Maquette", failing, 1.0)],
                  needed=0)
    drive(current, lambda: not current.running)
    assert "there is no such package" in str(current.problem) and str(current.log) in current.problem.hint
    assert not folder.exists() and installation.installed_python() == ""


def test_cancelling_ends_the_child_at_once(current, tmp_path):
    mark = tmp_path / "mark"
    code = f"import time, pathlib; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    folder = installation.default_folder()
    folder.mkdir(parents=True)
    current.begin(str(tmp_path), steps=[installation.Step("sleeping", (sys.executable, "-c", code), 1.0)], needed=0)
    drive(current, mark.exists)
    process = current._process
    begin = time.monotonic()
    current.cancel()
    assert time.monotonic() - begin < 5.0
    assert process.poll() is not None and not current.running and not folder.exists()


def test_a_downloads_progress_moves_the_bar(current, tmp_path):
    size = 1 << 26
    lines = "".join(f"print('Progress {size * at // 4} of {size}', flush=True); time.sleep(0.1);" for at in range(5))
    installation.default_folder().mkdir(parents=True)
    step = installation.Step("installing torch", (sys.executable, "-c", f"import time; {lines}"), 1.0)
    current.begin(str(tmp_path), steps=[step, installation.Step("end", (sys.executable, "-c", ""), 1.0)], needed=0)
    shown = drive(current, lambda: not current.running)
    assert any(0.25 < one < 0.45 for one in shown) and shown[-1] == 1.0


@pytest.mark.parametrize(
    ("source", "match"), [("", "Say where"), ("no/such/folder", "nothing at"), ("/no/such.whl", "nothing at")]
)
def test_a_source_that_is_none_is_refused(current, source, match):
    with pytest.raises(wire.errors.BadRequest, match=match):
        current.begin(source)


def test_too_small_a_disk_and_working_offline_are_told_first(current, tmp_path, monkeypatch):
    with pytest.raises(wire.errors.OutOfSpace, match="GiB are free"):
        current.begin(str(tmp_path), needed=1 << 62)
    monkeypatch.setattr(compat, "is_module", lambda: False)
    monkeypatch.setattr(compat, "online_access", lambda: False)
    with pytest.raises(wire.errors.NotConnected, match="offline"):
        current.begin(str(tmp_path), needed=0)
    assert not current.running


def test_the_plan_pins_what_the_build_pins(tmp_path):
    steps = installation.plan("python3", tmp_path / "environment", "https://example.org/maquette.tar.gz")
    words = [" ".join(step.command) for step in steps]
    assert any("torch==" in one for one in words) and any("--require-hashes" in one for one in words)
    assert words[0].startswith("python3 -m venv") and words[-1].endswith("backend.cli --help")


def test_the_button_installs_and_the_timer_drives_it(addon, tmp_path, monkeypatch):
    assert not bpy.ops.maquette.install.poll()  # no source yet
    monkeypatch.setattr(preferences._DEFAULTS, "source", str(tmp_path))
    step = installation.Step("making the environment", (sys.executable, "-c", "print('made')"), 1.0)
    monkeypatch.setattr(installation, "plan", lambda *_: [step])
    monkeypatch.setattr(installation, "NEEDED_BYTES", 0)
    installation.default_folder().mkdir(parents=True)
    assert bpy.ops.maquette.install() == {"FINISHED"}
    assert not bpy.ops.maquette.install.poll()
    end = time.monotonic() + 30.0
    while installation.current().running:
        assert ticking.tick() in (ticking.TICK_WORKING_S, ticking.TICK_IDLE_S) and time.monotonic() < end
        time.sleep(0.01)
    assert installation.current().problem is None and (installation.default_folder() / installation.STAMP).exists()


def test_no_variable_of_blenders_python_reaches_the_child(current, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    installation.default_folder().mkdir(parents=True)
    code = "import os; print('PATHS', os.environ.get('PYTHONPATH'), os.environ.get('PYTHONHOME'))"
    current.begin(str(tmp_path), steps=[installation.Step("looking", (sys.executable, "-c", code), 1.0)], needed=0)
    drive(current, lambda: not current.running)
    assert "PATHS None None" in current.log.read_text() and os.environ["PYTHONPATH"] == "elsewhere"
