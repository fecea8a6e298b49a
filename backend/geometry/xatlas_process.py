# SPDX-License-Identifier: GPL-3.0-or-later
"""xatlas at arm's length: a process of its own that can be ended, because on bad meshes it runs for minutes to hours
(reference, section 6.5) and has no way to be asked to stop."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.geometry.mesh import Mesh, face_components

WORKER = Path(__file__).with_name("xatlas_worker.py")


class XatlasFailed(RuntimeError):
    """xatlas ran out of its time, crashed, or lost faces. The text says which."""


def unwrap_with_xatlas(
    mesh: Mesh, texture_size: int, margin: int, time_limit: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(triangles (F, 3, 2) in 0..1, chart (F,)) by xatlas with its default options, within `time_limit` seconds."""
    with tempfile.TemporaryDirectory(prefix="maquette-uv-") as folder:
        source, target = Path(folder, "mesh.npz"), Path(folder, "uvs.npz")
        np.savez(source, vertices=mesh.vertices, faces=mesh.faces)
        command = [sys.executable, "-I", str(WORKER), str(source), str(target), str(texture_size), str(2 * margin)]
        try:
            done = subprocess.run(command, timeout=time_limit, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            raise XatlasFailed(f"xatlas did not finish within {time_limit:.0f} s") from None
        if done.returncode or not target.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise XatlasFailed(f"xatlas failed ({last[:200]})")
        with np.load(target) as data:
            uvs, indices = data["uvs"], data["indices"]
    triangles = uvs.astype(np.float64).reshape(-1, 3, 2)
    if not np.isfinite(triangles).all():
        raise XatlasFailed("xatlas gave UVs that are not finite")
    # Vertices of the atlas are shared within a chart only, so connectivity tells the charts.
    _, chart = face_components(indices, int(indices.max()) + 1)
    return triangles, chart.astype(np.int64)
