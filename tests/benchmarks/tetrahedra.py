# SPDX-License-Identifier: GPL-3.0-or-later
"""Grid edges and marching tetrahedra against the public pure-torch way, in one run.

The yardstick is DMTet's marching as its paper describes it (Shen et al. 2021, section 3.2) and as the public torch
versions do it: edges gathered per tetrahedron, each row sorted, `unique` over rows, one lookup table. Same grid, same
field, same threads.

    python tests/benchmarks/tetrahedra.py [--resolution 128] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch

from backend.geometry.tetrahedra import marching_tetrahedra, tetrahedral_grid

PAIRS = torch.tensor([0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3])
# Per case (bit i set: vertex i outside the level's positive side) up to two triangles of local edge numbers, -1 for
# none.
CASES = torch.tensor(
    [
        [-1] * 6, [1, 0, 2, -1, -1, -1], [4, 0, 3, -1, -1, -1], [1, 4, 2, 1, 3, 4],
        [3, 1, 5, -1, -1, -1], [2, 3, 0, 2, 5, 3], [1, 4, 0, 1, 5, 4], [4, 2, 5, -1, -1, -1],
        [4, 5, 2, -1, -1, -1], [4, 1, 0, 4, 5, 1], [3, 2, 0, 3, 5, 2], [1, 3, 5, -1, -1, -1],
        [4, 1, 2, 4, 3, 1], [3, 0, 4, -1, -1, -1], [2, 0, 1, -1, -1, -1], [-1] * 6,
    ]
)  # fmt: skip


def row_unique_edges(tetrahedra: torch.Tensor) -> torch.Tensor:
    """All edges (E, 2): gather, sort each row, unique over rows."""
    return torch.unique(tetrahedra[:, PAIRS].reshape(-1, 2).sort(1)[0], dim=0)


def row_unique_marching(
    positions: torch.Tensor, tetrahedra: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(vertices (S, 3), faces (F, 3)) of the zero level by the public scheme; `value` is positive inside there."""
    with torch.no_grad():
        positive = value > 0
        corner = positive[tetrahedra.reshape(-1)].reshape(-1, 4)
        total = corner.sum(-1)
        valid = (total > 0) & (total < 4)
        every = tetrahedra[valid][:, PAIRS].reshape(-1, 2).sort(1)[0]
        unique, inverse = torch.unique(every, dim=0, return_inverse=True)
        crossed = positive[unique.reshape(-1)].reshape(-1, 2).sum(-1) == 1
        number = torch.full((len(unique),), -1, dtype=torch.long)
        number[crossed] = torch.arange(int(crossed.sum()))
        local = number[inverse].reshape(-1, 6)
        ends = unique[crossed]
        case = (corner[valid] * torch.tensor([1, 2, 4, 8])).sum(-1)
        count = torch.tensor([0, 1, 1, 2, 1, 2, 2, 1, 1, 2, 2, 1, 2, 1, 1, 0])[case]
    at = positions[ends.reshape(-1)].reshape(-1, 2, 3)
    v = value[ends.reshape(-1)].reshape(-1, 2, 1)
    weight = torch.cat((-v[:, 1:], v[:, :1]), 1) / (v[:, :1] - v[:, 1:])
    faces = torch.cat(
        (
            torch.gather(local[count == 1], 1, CASES[case[count == 1]][:, :3]),
            torch.gather(local[count == 2], 1, CASES[case[count == 2]]).reshape(-1, 3),
        )
    )
    return (at * weight).sum(1), faces


def best_of(work: Callable[[], Any], repeats: int) -> float:
    """Shortest wall time of `work` in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def measure(resolution: int = 128, repeats: int = 3) -> dict[str, Any]:
    """Milliseconds of both and their ratios; a bumpy sphere, offsets and gradients included for `*_backward`."""
    grid = tetrahedral_grid(resolution)
    tetrahedra = grid.tetrahedra
    p = grid.vertices
    sdf = p.norm(dim=1) - 0.7 - 0.05 * (8 * p).sin().prod(1)

    def backward(march: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        leaf, moved = sdf.clone().requires_grad_(), p.clone().requires_grad_()
        march(leaf, moved).square().sum().backward()

    rows = {
        "edges": (
            lambda: tetrahedral_grid.__wrapped__(resolution).edges,
            lambda: row_unique_edges(tetrahedra),
        ),
        "marching": (
            lambda: marching_tetrahedra(grid, sdf),
            lambda: row_unique_marching(p, tetrahedra, -sdf),
        ),
        "marching_backward": (
            lambda: backward(lambda s, q: marching_tetrahedra(grid, s, q).vertices),
            lambda: backward(lambda s, q: row_unique_marching(q, tetrahedra, -s)[0]),
        ),
    }
    report: dict[str, Any] = {
        "resolution": resolution, "vertices": len(p), "tetrahedra": len(tetrahedra), "edges_count": len(grid.edges),
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    for name, (ours, theirs) in rows.items():
        fast, slow = best_of(ours, repeats), best_of(theirs, 1 if name == "edges" else repeats)
        report[name] = {"ours_ms": round(fast, 2), "row_unique_ms": round(slow, 2), "ratio": round(slow / fast, 1)}
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))
