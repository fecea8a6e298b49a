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


def _cases() -> torch.Tensor:
    """(16, 6) local edge numbers of up to two triangles for each set of positive corners (bit i: corner i), else -1.

    Worked out on the unit tetrahedron: the crossed edges' midpoints in a ring, turned so that triangles look away from
    the positive corners.
    """
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    edges = PAIRS.view(6, 2).tolist()
    table = torch.full((16, 6), -1)
    for case in range(1, 15):
        positive = [corner for corner in range(4) if case >> corner & 1]
        crossed = [number for number, (a, b) in enumerate(edges) if (a in positive) != (b in positive)]
        if len(crossed) == 4:
            # Around the ring, neighbours share a corner: the one edge that shares none with the first is opposite.
            first = crossed[0]
            opposite = next(number for number in crossed if not set(edges[number]) & set(edges[first]))
            sides = [number for number in crossed if number not in (first, opposite)]
            crossed = [first, sides[0], opposite, sides[1]]
        middle = corners[torch.tensor([edges[number] for number in crossed])].mean(1)
        normal = torch.linalg.cross(middle[1] - middle[0], middle[2] - middle[0])
        if normal @ (middle[0] - corners[positive[0]]) < 0:
            crossed.reverse()
        ring = crossed[:3] + ([crossed[0], crossed[2], crossed[3]] if len(crossed) == 4 else [-1] * 3)
        table[case] = torch.tensor(ring)
    return table


CASES = _cases()


def row_unique_edges(tetrahedra: torch.Tensor) -> torch.Tensor:
    """All edges (E, 2): gather, sort each row, unique over rows."""
    return torch.unique(tetrahedra[:, PAIRS].reshape(-1, 2).sort(1)[0], dim=0)


def row_unique_marching(
    positions: torch.Tensor, tetrahedra: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(vertices (S, 3), faces (F, 3)) of the zero level by the public scheme; `value` is positive inside there."""
    with torch.no_grad():
        code = ((value > 0)[tetrahedra].long() << torch.arange(4)).sum(1)
        cut = (code > 0) & (code < 15)
        rows = tetrahedra[cut][:, PAIRS].reshape(-1, 2).sort(1)[0]
        edges, name = torch.unique(rows, dim=0, return_inverse=True)
        crossed = (value > 0)[edges].sum(1) == 1
        order = torch.cumsum(crossed, 0) - 1
        ends, place = edges[crossed], order[name].view(-1, 6)
        triangles = CASES[code[cut]].view(-1, 2, 3)
        used = triangles[..., 0] >= 0
        faces = torch.gather(place[:, None].expand(-1, 2, -1), 2, triangles.clamp_min(0))[used]
    a, b = value[ends].unsqueeze(-1).unbind(1)
    share = a / (a - b)
    return positions[ends[:, 0]] * (1 - share) + positions[ends[:, 1]] * share, faces


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
