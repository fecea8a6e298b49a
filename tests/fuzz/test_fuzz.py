# SPDX-License-Identifier: GPL-3.0-or-later
"""A minute of fuzzing in every run of the tests, and that the fuzzer would notice what it looks for.

The offline bar (ten million inputs) is `python tests/fuzz/run.py --inputs 10000000`.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import engines
import pytest
from engines import Figures, Guarded, TooMuchMemory, mutations, run_own
from machines import MACHINES
from specimens import DIRECTIONS, specimen

from protocol import framing
from protocol.fields import read

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
def test_a_minute_of_fuzzing(tmp_path):
    done = subprocess.run(
        [sys.executable, HERE / "run.py", "--seconds", "60", "--out", tmp_path], capture_output=True, text=True
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no crash, no hang, no memory beyond the limit" in done.stdout


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_there_is_a_valid_example_of_every_message(direction):
    rng = random.Random(1)
    for kind in DIRECTIONS[direction].values():
        for below in (lambda limit: 0, lambda limit: rng.randrange(limit)):
            message = specimen(kind, below)
            again = read(framing.decode(framing.encode(message.to_envelope())), DIRECTIONS[direction])
            assert type(again) is kind


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_machines_reach_deep_states(name, monkeypatch):
    """Random scripts get past the greeting: an input that changes nothing tests nothing."""
    import machines

    said = set()
    monkeypatch.setattr(machines, "sent", lambda frames, way, real=machines.sent: (
        said.add(framing.decode(frames).type), real(frames, way))[1])
    rng = random.Random(2)
    for _ in range(120 if name != "hub" else 60):
        MACHINES[name](rng.randbytes(400))
    wanted = {"session": {"HELLO", "SUBMIT", "WATCH", "BLOB_GET", "ACK", "PING", "RESUME", "CANCEL"},
              "worker": {"READY", "EVENT", "BLOB_CHECK", "BLOB_PUT", "RESULT", "FAILED", "GOODBYE", "BEAT"},
              "hub": {"WELCOME", "ACCEPTED", "EVENT", "JOBS", "ERROR", "LEASE", "BLOB_OK"}}[name]
    assert wanted <= said


def run_with(harness, tmp_path, inputs=200):
    run_own(Guarded(harness, Figures("x", "own")), [b"seed"], inputs, 60.0, 1, tmp_path / "kept")


def test_what_breaks_is_noticed_and_kept(tmp_path):
    def crashes(data):
        if len(data) > 9:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_with(crashes, tmp_path)
    assert len((tmp_path / "kept").read_bytes()) > 9


def test_memory_and_hanging_are_noticed(tmp_path, monkeypatch):
    with pytest.raises(TooMuchMemory):
        run_with(lambda data: bytearray(engines.PEAK_BYTES + 1), tmp_path)
    if hasattr(engines.signal, "SIGALRM"):
        monkeypatch.setattr(engines, "HANG_SECONDS", 1)

        def hangs(data):
            while True:
                pass

        with pytest.raises(TimeoutError):
            run_with(hangs, tmp_path)


def test_own_mutations_are_repeatable_and_different():
    def first(seed):
        rng = random.Random(seed)
        return [one for one, _ in zip(mutations([b"abc", b"defgh"], rng), range(300), strict=False)]

    assert first(1) == first(1) != first(2)
    assert len(set(first(1))) > 200
