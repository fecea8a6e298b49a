# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes out of a job: named arrays that go to the scene, and a report that a person or a script can read."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

VERSIONS_OF = ("maquette", "torch", "diffusers", "transformers", "warp-lang", "xatlas", "numpy")


@dataclass(frozen=True)
class MeshResult:
    """A finished mesh, or the finished texture of one.

    Attributes:
        arrays: vertices <f4 (V, 3) metres, Z up, base at z = 0; faces <i4 (F, 3); uvs <f4 (3F, 2) per corner, v up;
            normals <f4 (V, 3); edges <i4 (E, 2) and corner_edges <i4 (3F,) as Blender stores them; base_colour and
            thumbnail |u1 (n,) PNG files. Of a texture job only base_colour and thumbnail, and uvs where it made new
            ones; of a learn job identity |u1 (n,), a safetensors file, and thumbnail.
        report: plain values: seed, preset, prior, versions, stages, scores, warnings, nearest_known, material.
    """

    arrays: dict[str, np.ndarray]
    report: dict[str, Any] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Versions of everything that has a say in the result."""
    found = {"python": platform.python_version()}
    for name in VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
