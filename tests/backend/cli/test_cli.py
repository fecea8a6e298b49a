# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a person and a script meet it: words, files, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli import doctor, group
from backend.cli.generate import absolute_prior
from protocol.errors import PriorNotFound

ROOT = Path(__file__).resolve().parents[3]
GUARD = 180.0


def maquette(*arguments, data, **more):
    """Run the command; its worker runs scripted jobs."""
    environment = {
        **os.environ, "MAQUETTE_DATA": str(data), "MAQUETTE_JOBS_MODULE": "scripted_jobs", "OMP_NUM_THREADS": "1",
        "TMPDIR": str(data) if Path(data).is_dir() else "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "backend" / "worker")]),
    }
    command = [sys.executable, "-m", "backend.cli", *arguments]
    if more.pop("wait", True):
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=GUARD, **more)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_help_and_version(tmp_path):
    said = CliRunner().invoke(group, ["--help"])
    assert said.exit_code == 0
    for name in ("serve", "worker", "generate", "doctor", "status"):
        assert name in said.output
        one = CliRunner().invoke(group, [name, "--help"])
        assert one.exit_code == 0 and "Options:" in one.output
    assert "0.1.0" in maquette("--version", data=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generate", "", "--out", "x"], "prompt is empty"),
        (["generate", "x" * 20_000, "--out", "x"], "20,000 characters, at most 2,000"),
        (["generate", "a chair", "--out", "x", "--seed", "-1"], "seed is -1"),
        (["generate", "a chair", "--out", "x", "--size", "0"], "size_metres"),
        (["generate", "a chair"], "--out"),
        (["fly"], "No such command"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(tmp_path, arguments, words):
    said = maquette(*arguments, data=tmp_path, cwd=tmp_path)
    assert said.returncode == 2 and words in said.stderr
    assert "Traceback" not in said.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "m.csv").write_text("prompt\na chair\n")
    inside = str(tmp_path / "file" / "folder")
    for arguments in (["serve", "--data", inside], ["batch", str(tmp_path / "m.csv"), "--out", inside],
                      ["keys", "init", "--address", "here:5570", "--data", inside]):
        said = maquette(*arguments, data=tmp_path)
        assert said.returncode == 2 and "Traceback" not in said.stderr, said.stderr
        assert "file" in said.stderr and "Not a directory" in said.stderr


def test_no_hub(tmp_path):
    said = maquette("status", data=tmp_path / "nowhere")
    assert said.returncode == 3 and "maquette serve" in said.stderr


def test_generate_with_a_hub_of_its_own(tmp_path):
    out = tmp_path / "out"
    said = maquette("generate", "steps=10 delay=0.02 warn=careful", "--out", str(out), "--seed", "4", data=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "Warning: careful" in said.stderr and "walking" in said.stderr
    assert json.loads((out / "report.json").read_text())["seed"] == 4
    assert (out / "model.glb").read_bytes()[:4] == b"glTF"
    assert (out / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "base_colour.png").read_bytes().startswith(b"\x89PNG")


def test_failure_and_time_out_have_exit_codes(tmp_path):
    said = maquette("generate", "raise=EmptySurface", "--out", str(tmp_path), data=tmp_path)
    assert said.returncode == 1 and "Nothing is there. (while: carry over)" in said.stderr
    assert "Lower the threshold." in said.stderr and list(tmp_path.glob("maquette-*")) == []
    said = maquette("generate", "raise=Defect", "--out", str(tmp_path), data=tmp_path)
    assert said.returncode == 1 and "The logs are in" in said.stderr
    (kept,) = tmp_path.glob("maquette-*/logs/jobs/*.log")
    assert "a secret detail" in kept.read_text()
    said = maquette("generate", "steps=10000 delay=0.05", "--out", str(tmp_path), "--timeout", "1", data=tmp_path)
    assert said.returncode == 130 and "cancelled" in said.stderr


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_interrupt_cancels_and_leaves_nothing_running(tmp_path):
    import psutil

    process = maquette("generate", "steps=10000 delay=0.05", "--out", str(tmp_path), data=tmp_path, wait=False)
    assert "walking" in process.stderr.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2  # a hub and a worker
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=GUARD)
    assert process.returncode == 130 and "Cancelling" in errors
    assert not any(one.is_running() for one in children)


def test_doctor_finds_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "no-such-package"))

    def missing(setting):
        raise PriorNotFound("There is no folder x.", hint="Set --prior.")
        yield

    monkeypatch.setattr(doctor, "_prior", missing)
    monkeypatch.setattr(doctor, "_devices", lambda: iter(["not a finding"][:0]))

    def broken():
        raise RuntimeError("loose wire")
        yield

    monkeypatch.setattr(doctor, "_rasteriser", broken)
    found = {(one.topic, one.state): one.text for one in doctor.look(tmp_path, "x")}
    assert ("numpy", "ok") in found and ("system", "ok") in found
    assert "pip install" in found["no-such-package", "problem"]
    assert found["prior", "problem"] == "There is no folder x. Set --prior."
    assert "loose wire" in found["rasteriser", "problem"]
    assert "none runs" in found["hub", "note"]


def test_doctor_as_json(tmp_path):
    said = maquette("doctor", "--json", data=tmp_path)
    findings = [json.loads(line) for line in said.stdout.splitlines()]
    topics = {one["topic"] for one in findings}
    assert {"system", "torch", "memory", "disk", "device", "rasteriser", "prior", "hub"} <= topics
    assert said.returncode == int(any(one["state"] == "problem" for one in findings))


def test_prior_folders_are_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute_prior("mine") == str(tmp_path / "mine")
    assert absolute_prior("owner/name, mine") == f"owner/name, {tmp_path / 'mine'}"
    assert absolute_prior("") == ""
