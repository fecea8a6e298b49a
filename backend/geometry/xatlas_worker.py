# SPDX-License-Identifier: GPL-3.0-or-later
"""The other process of `xatlas_process`: reads a mesh from one file, writes UVs to another. Imports NumPy and xatlas
only, so that it starts in a fifth of a second, and is run by path, not as part of the package.

    python xatlas_worker.py INPUT.npz OUTPUT.npz RESOLUTION PADDING
"""

import sys

import numpy as np
import xatlas


def main(source: str, target: str, resolution: int, padding: int) -> None:
    """Chart and pack the mesh in `source`; uvs (3F, 2) float32 and chart (F,) into `target`."""
    with np.load(source) as data:
        vertices, faces = data["vertices"], data["faces"]
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces.astype(np.uint32))
    pack = xatlas.PackOptions()
    pack.resolution, pack.padding, pack.bilinear = resolution, padding, True
    atlas.generate(pack_options=pack)
    _, indices, uvs = atlas[0]
    if atlas.atlas_count > 1 or len(indices) != len(faces):
        raise SystemExit(f"xatlas gave {atlas.atlas_count} atlases and {len(indices)} of {len(faces)} faces")
    np.savez(target, uvs=uvs[indices.ravel()].astype(np.float32), indices=indices.astype(np.int64))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
