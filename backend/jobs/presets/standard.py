# SPDX-License-Identifier: GPL-3.0-or-later
"""`standard`: minutes on one GPU, with the open-domain priors; threestudio's settings, shortened."""

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

STANDARD = Preset(
    name="standard",
    coarse=Coarse(
        steps=1500,  # [ours] 3 minutes on one GPU together with the fine stage
        views=8,  # [TS] README: its own showcase uses 8
        pixels=64,  # [M3D]
        grid=HashGridSize(levels=16, log2_entries=19, base=16, finest=2048, hidden=64),  # [TS], finest halved
        samples=384,  # [ours] [TS] has 512
        occupancy=64,
        occupancy_every=16,  # [TS]
        learning_rate=0.01,  # [TS]
        camera=CameraRange(elevation=(-10.0, 60.0), zoom=(0.9, 1.2), look_at_jitter=0.05),
        light=LightRange(begin=0.2, lit=0.75, textureless=0.5),  # [TS]
        guidance=Guidance(
            form="noise", scale=50.0, weighting="uniform", t_min=0.02, t_max=Ramp(0.98, 0.5, 0.2, 0.9), rescale=0.5
        ),
        orientation=Ramp(10.0, 1000.0, 0.0, 0.5),  # [TS]
        sparsity=Ramp(1.0, 1.0),  # [TS]
        opaque=Ramp(0.0, 0.1, 0.5, 1.0),
        blob=10.0,  # [M3D]
    ),
    fine=Fine(
        steps=1000,
        views=4,
        pixels=512,  # [M3D]
        tetrahedra=128,  # [TS]
        learning_rate=0.01,  # [TS]
        surface_learning_rate=0.001,
        camera=CameraRange(elevation=(-10.0, 45.0), zoom=(0.6, 1.0), look_at_jitter=0.1),  # [M3D] close-ups
        light=LightRange(begin=0.0, lit=0.75, textureless=0.5),  # [TS]
        guidance=Guidance(form="noise", scale=50.0, weighting="sigma2", t_min=0.02, t_max=Ramp(0.5, 0.3)),  # [TS]
        coarse_share=0.0,
        normal_consistency=2000.0,  # [ours] between draft's and [TS]
        laplacian=20.0,
        detail_grid=HashGridSize(levels=16, log2_entries=19, base=16, finest=2048, hidden=64),
    ),
    finish=Finish(faces=30_000, texture=2048),
    paint=Paint(views=8, broad=Stroke(steps=30, begin=1.0, scale=3.0), sharp=Stroke(steps=15, begin=0.4, scale=2.0)),
    edit=Edit(tetrahedra=128, again=0.6, t_max=0.85),
    avatar=AvatarSculpt(
        steps=1500, views=4, pixels=512, tetrahedra=192, reach=0.08, lattice=96, weight=1.0, keep_colour=400.0,
        keep_shape=20.0, smooth=2000.0, learning_rate=0.005, surface_learning_rate=0.001, cell=0.005, faces=40_000,
        texture=2048, most_tint=0.5, paint_begin=0.6,
    ),
    paints=False,  # [ours] not measured yet with the open-domain priors that this preset is for
    preview_every=2.0,
)
