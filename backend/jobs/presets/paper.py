# SPDX-License-Identifier: GPL-3.0-or-later
"""`paper`: Magic3D's own schedule, and AvatarCLIP's for a figure; what it takes, it takes."""

from __future__ import annotations

from backend.jobs.presets.stages import (
    AvatarSculpt,
    CameraRange,
    Coarse,
    Edit,
    Fine,
    Finish,
    Guidance,
    HashGridSize,
    LightRange,
    Paint,
    Preset,
    Ramp,
    Stroke,
)

PAPER = Preset(
    name="paper",
    coarse=Coarse(
        steps=5000,  # [M3D]
        views=32,  # [M3D]
        pixels=64,  # [M3D]
        grid=HashGridSize(levels=16, log2_entries=19, base=16, finest=4096, hidden=64),  # [M3D] through [TS]
        samples=1024,  # [M3D]
        occupancy=256,  # [M3D]
        occupancy_every=10,  # [M3D]
        learning_rate=0.01,  # [TS]
        camera=CameraRange(elevation=(-10.0, 90.0), zoom=(0.75, 1.45), look_at_jitter=0.2),  # [M3D], [TS]
        light=LightRange(begin=0.2, lit=0.75, textureless=0.5, ambient=0.5),  # [TS]
        guidance=Guidance(form="noise", scale=100.0, weighting="uniform", t_min=0.02, t_max=Ramp(0.98, 0.98)),  # [M3D]
        orientation=Ramp(10.0, 1000.0, 0.0, 0.5),  # [TS]
        sparsity=Ramp(1.0, 1.0),  # [TS]
        opaque=Ramp(0.0, 0.0),  # [TS]
        blob=10.0,  # [M3D]
    ),
    fine=Fine(
        steps=3000,  # [M3D]
        views=32,  # [M3D]
        pixels=512,  # [M3D]
        tetrahedra=128,  # [TS]
        learning_rate=0.01,  # [TS]
        surface_learning_rate=0.001,  # [ours] at 0.01 a free SDF tears
        camera=CameraRange(elevation=(-10.0, 45.0), zoom=(0.55, 0.85), look_at_jitter=0.2),  # [M3D] focal 1.2 to 1.8
        light=LightRange(begin=0.0, lit=0.75, textureless=0.5, ambient=0.5),  # [TS]
        guidance=Guidance(form="noise", scale=100.0, weighting="sigma2", t_min=0.02, t_max=Ramp(0.5, 0.5)),  # [TS]
        coarse_share=0.0,
        normal_consistency=10_000.0,  # [TS]
        laplacian=0.0,
        detail_grid=HashGridSize(levels=16, log2_entries=19, base=16, finest=4096, hidden=64),
    ),
    finish=Finish(faces=40_000, texture=2048),
    paint=Paint(views=8, broad=Stroke(steps=50, begin=1.0, scale=3.0), sharp=Stroke(steps=25, begin=0.4, scale=2.0)),
    edit=Edit(tetrahedra=128, again=0.6, t_max=0.85),
    avatar=AvatarSculpt(
        steps=30_010, views=1, pixels=224, tetrahedra=256, reach=0.1, lattice=128, weight=1.0, keep_colour=400.0,
        keep_shape=20.0, smooth=2000.0, learning_rate=0.0005, surface_learning_rate=0.0005, cell=0.004, faces=60_000,
        texture=4096, most_tint=1.0, paint_begin=0.0,
    ),  # [AvatarCLIP] steps, pixels and rate of its sculpting
    paints=False,  # [M3D] has no such stage
    preview_every=10.0,
)
