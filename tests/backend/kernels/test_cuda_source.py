# SPDX-License-Identifier: GPL-3.0-or-later
"""The same kernel sources compile for NVIDIA GPUs, shown without one by Warp's own compiler."""

import pytest
import warp as wp

from backend.kernels import chance, composite, hash_lookup, rasterise, ray_cast, ray_march, silhouette

MODULES = (chance, composite, hash_lookup, rasterise, ray_cast, ray_march, silhouette)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_kernels_compile_to_ptx(module, tmp_path):
    wp.compile_aot_module(module.__name__, arch=80, module_dir=tmp_path, use_ptx=True)
    (source,) = tmp_path.glob("*.ptx")
    kernels = [kernel.key for kernel in wp.get_module(module.__name__).kernels.values()]
    text = source.read_text()
    assert kernels and all(f".entry {name.split('.')[-1]}" in text for name in kernels)
