# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette batch` as a technical director meets it: real hub and worker, scripted jobs, files, exit codes, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.cli.batch import Narrator
from protocol.batch import manifest, runner

ROOT = Path(__file__).resolve().parents[3]
GUARD = 180.0


def batch(folder: Path, *arguments: str, wait: bool = True):
    environment = {
        **os.environ, "MAQUETTE_DATA": str(folder / "nobody"), "MAQUETTE_JOBS_MODULE": "scripted_jobs",
        "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "backend" / "worker")]),
    }
    command = [sys.executable, "-m", "backend.cli", "batch", *arguments]
    if wait:
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=GUARD)
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def log(folder: Path) -> list[dict]:
    path = folder / "shelf" / ".batch" / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def events(folder: Path, name: str) -> list[dict]:
    return [line for line in log(folder) if line["event"] == name]


def test_files_summary_and_exit_codes(tmp_path):
    (tmp_path / "shelf.csv").write_text(
        "prompt,name,seed,out,retries\nsteps=3,one,1,{name}_{seed},0\nraise=EmptySurface,two,2,,0\nsteps=2,three,3,,0\n"
    )
    dry = batch(tmp_path, "shelf.csv", "--dry-run")
    assert dry.returncode == 0 and "3 of 3 jobs would run" in dry.stdout and log(tmp_path) == []
    done = batch(tmp_path, "shelf.csv")
    assert done.returncode == 1, done.stderr
    assert "2 done, 1 failed" in done.stdout
    for name in ("one_1", "003_three"):
        assert {"model.glb", "report.json"} <= {one.name for one in (tmp_path / "shelf" / name).iterdir()}
    assert json.loads((tmp_path / "shelf" / "one_1" / "report.json").read_text())["seed"] == 1
    assert [line["error"]["code"] for line in events(tmp_path, "failed")] == ["empty_surface"]

    again = batch(tmp_path, "shelf.csv", "--only-failed")
    assert again.returncode == 1 and "2 skipped, 1 failed" in again.stdout
    assert len(events(tmp_path, "submit")) == 4


def test_a_long_batch_says_how_much_is_left(capsys):
    now = iter(range(0, 10_000, 60))
    say = Narrator(3, lambda: float(next(now)))
    for row in manifest.rows([{"prompt": f"chair {n}"} for n in range(3)], {}):
        say(row, runner.Outcome(row, "done"))
    said = capsys.readouterr().err.splitlines()
    assert ["(1 of 3)" in said[0], "(2 of 3, about 30 s left)" in said[1], "(3 of 3)" in said[2]] == [True] * 3
    assert "chair 1" in said[1]


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("jobs: [{prompt: a, sed: 1}]", (), "Is seed meant"),
        ("jobs: [a", (), "Line 1"),
        ("jobs: [a]", ("--set", "seed=x"), "seed is 'x'"),
        ("jobs: [{prompt: a, blend: x}]", ("--blender", "no-such-program"), "not a program"),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(tmp_path, text, arguments, words):
    (tmp_path / "shelf.yaml").write_text(text)
    said = batch(tmp_path, "shelf.yaml", *arguments)
    assert said.returncode == 2 and words in said.stderr and not events(tmp_path, "submit")


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are a matter of POSIX")
def test_killed_and_restarted_nothing_runs_twice(tmp_path):
    (tmp_path / "shelf.yaml").write_text(
        "defaults: {seed: 1}\njobs:\n" + "".join(f"  - steps=30 delay=0.03 vertices={20 + n}\n" for n in range(3))
    )
    first = batch(tmp_path, "shelf.yaml", wait=False)
    end = time.monotonic() + GUARD
    while not events(tmp_path, "done"):
        assert first.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    first.kill()
    first.wait()
    before = len(events(tmp_path, "submit"))
    second = batch(tmp_path, "shelf.yaml")
    assert second.returncode == 0, second.stderr
    assert "done" in second.stdout and "skipped" in second.stdout
    assert before == len(events(tmp_path, "submit")) == 3, "each job was asked for once, under one key"
    assert len({line["row"] for line in events(tmp_path, "done")}) == len(events(tmp_path, "done")) == 3
    assert not (tmp_path / "shelf" / ".batch" / "hub").exists(), "the private hub's queue is put away after success"


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are a matter of POSIX")
def test_an_interruption_is_written_down(tmp_path):
    (tmp_path / "shelf.yaml").write_text("jobs: [steps=4000 delay=0.01]")
    process = batch(tmp_path, "shelf.yaml", wait=False)
    end = time.monotonic() + GUARD
    while not events(tmp_path, "submit"):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(GUARD) == 130
    assert len(events(tmp_path, "cancelled")) == 1 and events(tmp_path, "end")[-1]["stopped"] is True
