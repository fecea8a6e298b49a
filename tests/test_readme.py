# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of the README is run, shortened where a full run would take minutes; one without a case here fails.

The demo itself is run by tests/end_to_end/test_demo.py, so here its command line is only parsed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIMIT_S = 600.0
SHORTER = ["--effort", "0.01", "--texture", "64", "--alone"]


def commands() -> list[str]:
    """The lines of all `sh` blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def run(arguments: list[str], folder: Path, code: int = 0) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "XDG_DATA_HOME": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all commands, because later ones read what earlier ones wrote."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_command(command: str, folder: Path) -> None:
    words = shlex.split(command)
    if words[:3] == ["python3", "build.py", "test"]:
        inner = run([str(ROOT / "build.py"), "test", "--collect-only", "-q", "tests/test_readme.py"], folder)
        assert "all passed" in inner
    elif words[:3] == ["python3", "build.py", "demo"]:
        assert "--out" in run([str(ROOT / "build.py"), "demo", *words[3:], "--help"], folder)
    elif words[0] == "maquette":
        run_maquette(words[1:], folder)
    elif words[:2] == ["python", "tests/benchmarks/speed.py"]:
        run([str(ROOT / words[1]), *words[2:], "--repeats", "1", "--only", "cubes"], folder)
    elif words[:2] == ["python", "tests/benchmarks/quality.py"]:
        # One prompt, hardly made: it runs to its end and says with its exit code that the bars are missed.
        run([str(ROOT / words[1]), *words[2:], "--only", "1", "--effort", "0.01"], folder, code=1)
    elif words[:3] == ["python3", "build.py", "addon"]:
        # The zips themselves are made and installed in tests/blender_addon/packaging.
        assert "--out" in run([str(ROOT / "build.py"), "addon", "--help"], folder)
    elif words[:3] == ["python", "-m", "backend.embedded.training"]:
        run_training(words[3:], folder)
    else:
        pytest.fail(f"the README has a command that no test runs: {command}")


def run_maquette(words: list[str], folder: Path) -> None:
    maquette = ["-m", "backend.cli"]
    if words[0] == "generate" and "--prior" in words:
        # Nothing may be downloaded in a test, so what is checked is the answer when the model is not there.
        said = run([*maquette, *words, *SHORTER], folder, code=2)
        assert words[words.index("--prior") + 1] in said and "prior" in said
    elif words[0] == "generate":
        run([*maquette, *words, *SHORTER], folder)
        out = folder / words[words.index("--out") + 1]
        assert {"model.glb", "base_colour.png", "preview.png", "report.json"} <= {one.name for one in out.iterdir()}
    elif words[0] == "make" and "--explain" in words:
        assert "Settings:" in run([*maquette, *words], folder)
    elif words[0] == "make":
        quick = ["--set", "effort=0.01", "--set", "texture_size=64"] if words[1] == "texture" else []
        run([*maquette, *words, *quick, "--alone"], folder)
        out = folder / words[words.index("--out") + 1]
        made = {"texture": "model.glb", "rig": "arrays.npz"}[words[1]]
        assert {made, "report.json"} <= {one.name for one in out.iterdir()}
    elif words[0] == "serve":
        environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(folder / "data")}
        words = ["0" if word.isdigit() else word for word in words]  # ports that are free
        hub = subprocess.Popen([sys.executable, *maquette, *words, "--no-worker"], cwd=folder, env=environment)
        time.sleep(5)
        assert hub.poll() is None
        hub.terminate()
        assert hub.wait(30) == 0
    elif words == ["doctor"]:
        assert "prior" in run([*maquette, "doctor"], folder)
    elif words[0] == "batch":
        block = re.search(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
        assert block
        (folder / words[1]).write_text(block[1], encoding="utf-8")
        said = run([*maquette, *words], folder)
        assert "mug" in said and "chair" in said
    elif words[0] in ("keys", "hub"):
        run([*maquette, *words], folder)
    else:
        assert words == ["status", "--once"]
        run([*maquette, *words], folder, code=3)  # no hub runs here, and it says so


def run_training(words: list[str], folder: Path) -> None:
    trainer = ["-m", "backend.embedded.training"]
    if words[0] == "dataset":
        words[words.index("--shards") + 1] = "1"
        run([*trainer, *words, "--objects", "4", "--views", "2", "--captions", "1"], folder)
    elif words[0] == "pixel":
        run([*trainer, *words, "--steps", "2", "--batch", "2"], folder)
    else:
        run([*trainer, *words, "--to", "exported"], folder)
        assert (folder / "exported" / "model_index.json").is_file()
