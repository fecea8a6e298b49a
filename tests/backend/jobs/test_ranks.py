# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks are one: the gradients of views split over two processes are those of one process, in both stages; and so
are those of one process that looks through its views in several turns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backend.distillation.ranks import ALONE, Part

from . import rank_steps

ROOT = Path(__file__).resolve().parents[3]
TOLERANCE = 1e-5  # of the largest entry


def test_gradients_of_two_ranks_are_those_of_one(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    program = str(Path(rank_steps.__file__))
    outputs = [tmp_path / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen([sys.executable, program, str(tmp_path / "meeting"), str(rank), "2", str(output)],
                         env=environment, cwd=ROOT)
        for rank, output in enumerate(outputs)
    ]
    try:
        alone = rank_steps.gradients(ALONE)
        assert [one.wait(300) for one in processes] == [0, 0]
    finally:
        for one in processes:
            one.kill()
    first, second = (torch.load(output, weights_only=True) for output in outputs)
    assert set(first) == set(second) == set(alone) and len(alone) > 10
    for name, expected in alone.items():
        size = float(expected.abs().max())
        assert size > 0, name
        assert torch.equal(first[name], second[name]), f"{name}: the ranks went apart"
        error = float((first[name] - expected).abs().max()) / size
        print(f"{name}: largest entry {size:.3g}, two ranks differ by {error:.2g} of it")
        if "later" not in name:  # Adam turns rounding errors of tiny gradients into whole steps
            assert error <= TOLERANCE, f"{name}: {error:.2g}"
        else:
            assert float((first[name] - expected).abs().mean()) / size <= 1e-3, name


def test_gradients_of_several_turns_are_those_of_one() -> None:
    once = rank_steps.gradients(ALONE)
    for turns in (2, 3):
        found = rank_steps.gradients(ALONE, turns)
        assert set(found) == set(once)
        for name, expected in once.items():
            error = float((found[name] - expected).abs().max() / expected.abs().max())
            if "lit" in name:  # the orientation term is a mean over what a turn sees
                assert float((found[name] - expected).norm() / expected.norm()) < 0.02, name
            elif "later" not in name:
                assert error <= TOLERANCE, f"{name} in {turns} turns: {error:.2g}"


def test_parts_are_cut_into_pieces_that_make_the_whole() -> None:
    for total, together, pieces in ((7, 1, 3), (8, 4, 2), (8, 2, 3), (1, 1, 1)):
        whole = Part(10, 10 + total, 32)
        cut = [whole.cut(index, pieces, together) for index in range(pieces)]
        assert [one.start for one in cut] == [10, *(one.stop for one in cut[:-1])] and cut[-1].stop == whole.stop
        assert all(one.total == 32 and one.stop > one.start for one in cut)
        assert all((one.start - 10) % together == 0 for one in cut)
    with pytest.raises(ValueError, match="2 groups"):
        Part(0, 8, 8).cut(0, 3, 4)
