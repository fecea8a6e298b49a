# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to work, as frozen numbers: `draft` (two CPU cores, minutes), `standard` (one GPU, minutes), `best` (one
GPU, without hurry) and `paper` (Magic3D's own schedule).

Every number names its source: [M3D] Magic3D (Lin et al., CVPR 2023), [TS] threestudio's magic3d configurations,
[DF] DreamFusion (Poole et al., 2022), [VSD] ProlificDreamer (Wang et al. 2023), [SyncMVD] Liu et al. 2023, [ours]
chosen here, by measurement with the embedded prior where the comment says so; a number without a mark is [ours] too.
Steps are optimiser steps (of painting: network evaluations), angles are degrees (people read this file), lengths are in
field units (the object's box is [-1, 1]^3).
A recipe reads these numbers and has none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from protocol.errors import BadRequest


@dataclass(frozen=True)
class Ramp:
    """A value that goes from `start` to `end` in a straight line between two shares (0..1) of the stage."""

    start: float
    end: float
    begin: float = 0.0
    finish: float = 1.0

    def at(self, share: float) -> float:
        """The value at `share` of the stage."""
        if self.finish <= self.begin:
            return self.end if share >= self.finish else self.start
        done = min(max((share - self.begin) / (self.finish - self.begin), 0.0), 1.0)
        return self.start + (self.end - self.start) * done


@dataclass(frozen=True)
class CameraRange:
    """Where the cameras of a stage stand: uniform in each range, azimuths spread evenly over a batch."""

    elevation: tuple[float, float]
    zoom: tuple[float, float]
    """1.0 frames the whole object (distance 3.0, field of view 40 degrees); below 1 is a close-up."""
    on_sphere: float = 0.5
    """Share of the batch whose elevation is uniform on the sphere instead of uniform in angle. [TS]"""
    look_at_jitter: float = 0.0
    """Standard deviation of the point looked at, in field units."""


@dataclass(frozen=True)
class LightRange:
    """How often and how a stage shades what it renders (section 2.4 of Magic3D's supplement, as [TS] does it)."""

    begin: float
    """Share of the stage that is albedo only. [TS] 2001 of 10,000 steps."""
    lit: float
    """After that: the probability that a batch is shaded. [TS] 0.75"""
    textureless: float
    """Of the shaded batches: the probability that the albedo is replaced by white. [TS] 0.5"""
    angle: float = 60.0
    """The light stands within this angle of the camera's direction. [M3D] pi / 3"""
    ambient: float = 0.4
    """Share of light that comes from everywhere; what the embedded prior was trained with. [ours]"""


@dataclass(frozen=True)
class Guidance:
    """How strongly and in what form the prior speaks."""

    form: str
    """"noise": Score Distillation Sampling [DF]; "clean": the residual of the clean picture, for priors that are
    certain of what they see [ours]; "target": a few DDIM steps to a clean picture that is then fitted [ours];
    "variational": against a student that learns the renders [VSD]; "classifier", "noise_free", "inversion", "interval":
    see `backend.distillation.residuals`."""
    scale: float
    """Classifier-free guidance as diffusers defines it."""
    weighting: str
    """w(t): "uniform" or "sigma2"."""
    t_min: float
    t_max: Ramp
    rescale: float = 0.0
    """Share of the standard-deviation rescale of Lin et al. 2023 (as MVDream uses it)."""
    target_steps: int = 1
    """DDIM steps of the "target" form."""
    target_uses: int = 1
    """Optimiser steps that one set of targets serves; the prior is asked only once for them."""
    student_rate: float = 1e-4
    """Learning rate of the "variational" form's student. [VSD] appendix"""
    perp_neg: bool = False
    """Perp-Neg against objects with several fronts, for priors that are told the view in words; costs twice as many
    images a step."""


@dataclass(frozen=True)
class HashGridSize:
    """A multiresolution hash grid and its little network (Müller et al. 2022)."""

    levels: int
    log2_entries: int
    base: int
    finest: int
    hidden: int


@dataclass(frozen=True)
class Coarse:
    """The radiance-field stage."""

    steps: int
    views: int
    pixels: int
    grid: HashGridSize
    samples: int
    """Ray-marching samples along the diagonal of the box."""
    occupancy: int
    """Cells along an edge of the occupancy grid."""
    occupancy_every: int
    learning_rate: float
    camera: CameraRange
    light: LightRange
    guidance: Guidance
    orientation: Ramp
    sparsity: Ramp
    opaque: Ramp
    """Weight of the binary entropy of opacity: pushes fog to be solid or gone."""
    blob: float
    """Scale of the initial density blob."""
    random_background: float = 0.5
    """Probability of a random background for priors without an alpha channel. [TS] README's advice"""


@dataclass(frozen=True)
class Fine:
    """The tetrahedral-surface stage."""

    steps: int
    views: int
    pixels: int
    tetrahedra: int
    """Cells along an edge of the tetrahedral grid."""
    learning_rate: float
    surface_learning_rate: float
    camera: CameraRange
    light: LightRange
    guidance: Guidance
    coarse_share: float
    """Share of the steps that listen to the coarse prior instead of the fine one, so that the outline stays true."""
    normal_consistency: float
    laplacian: float
    detail_grid: HashGridSize


@dataclass(frozen=True)
class Finish:
    """From surface to asset."""

    faces: int
    texture: int


@dataclass(frozen=True)
class Stroke:
    """One prior's turn at painting; see `backend.texturing.together.Denoising`."""

    steps: int
    begin: float
    """Noise level to begin at, as a share of the prior's time steps; 1 paints from nothing."""
    scale: float
    """Classifier-free guidance of the embedded prior. Views that must agree lose contrast, so it is higher than for a
    single picture."""
    open_scale: float = 12.0
    """The same of a prior that knows the whole world. [SyncMVD] "above 12 to avoid blur"."""


@dataclass(frozen=True)
class Paint:
    """A mesh painted by views denoised together (SyncMVD, Liu et al. 2023)."""

    views: int
    """Around the object; one from above is added."""
    broad: Stroke
    """The coarse prior lays out colours and patterns."""
    sharp: Stroke
    """The fine prior draws the details, where it is another one than the coarse."""


@dataclass(frozen=True)
class Edit:
    """How a mesh that is there already goes through the stages (Magic3D's prompt editing, section 5.1)."""

    tetrahedra: int
    """Cells along an edge of the grid that holds the mesh; more than a generated shape needs, for it has details."""
    again: float
    """Share of the coarse stage's steps that are run again at `reshape` 1."""
    t_max: float
    """Highest noise level of those steps: below 1, so that something of the shape that was there stays."""
    begin_steps: int = 300
    """Steps in which the fields take on the shape and the colours that are there."""


@dataclass(frozen=True)
class AvatarSculpt:
    """How a dressed figure is sculpted and coloured (AvatarCLIP, Hong et al. 2022, section 3.3)."""

    steps: int
    views: int
    pixels: int
    tetrahedra: int
    """Cells along an edge of the grid while sculpting."""
    reach: float
    """How far the surface may move, in field units (a person is 1.8 of them tall)."""
    lattice: int
    """Cells of the change along the longest side."""
    weight: float
    """Of the prior's opinion against the ways back."""
    keep_colour: float
    keep_shape: float
    """The reconstruction term: weights of the way back to the figure that the words dressed. [AvatarCLIP] has 1 for
    both, on the scale of its similarities."""
    smooth: float
    learning_rate: float
    surface_learning_rate: float
    cell: float
    """Of the final surface, field units: about as many metres."""
    faces: int
    texture: int
    most_tint: float
    """How far sculpting may take a colour from what the words say, each channel of sRGB in 0..1."""
    paint_begin: float
    """Noise level from which the finished figure is painted over; 0 leaves it as it was sculpted."""
    face_every: int = 4
    """[AvatarCLIP] Every fourth step looks at the face."""


@dataclass(frozen=True)
class Preset:
    name: str
    coarse: Coarse
    fine: Fine
    finish: Finish
    paint: Paint
    edit: Edit
    avatar: AvatarSculpt
    paints: bool
    """Whether text to 3D ends with painting; otherwise the colours that distillation found stay."""
    preview_every: float
    """Seconds between previews."""


DRAFT = Preset(
    name="draft",
    coarse=Coarse(
        steps=400,  # [ours] what fits into a minute on two cores
        views=4,  # [ours] four orthogonal azimuths see every side in one step
        pixels=32,  # the embedded pixel prior's own size
        grid=HashGridSize(levels=8, log2_entries=15, base=8, finest=96, hidden=32),  # [ours] 32 pixels show no more
        samples=96,  # [ours] a step of 0.036, half a pixel at 32 x 32
        occupancy=32,  # [TS]
        occupancy_every=16,  # [TS]
        learning_rate=0.01,  # [TS]
        camera=CameraRange(elevation=(-10.0, 50.0), zoom=(0.95, 1.05)),  # inside what the prior was trained on
        light=LightRange(begin=0.4, lit=0.5, textureless=0.0),
        # [ours] scale: 1 melts everything into a ball, 4 bleaches colours; 2 keeps both (IoU 0.45, 0.67, and a
        # white mushroom). A prior of a narrow domain is sure of itself; the 100 of open-domain priors would burn it.
        guidance=Guidance(form="clean", scale=2.0, weighting="uniform", t_min=0.1, t_max=Ramp(0.98, 0.6, 0.3, 1.0)),
        orientation=Ramp(0.0, 0.02, 0.2, 0.6),
        sparsity=Ramp(0.0, 0.0),
        opaque=Ramp(0.0, 0.05, 0.3, 0.8),
        blob=6.0,
    ),
    fine=Fine(
        steps=120,
        views=4,
        pixels=128,
        tetrahedra=56,
        learning_rate=0.01,
        surface_learning_rate=0.002,
        camera=CameraRange(elevation=(-10.0, 50.0), zoom=(0.85, 1.05)),
        light=LightRange(begin=0.0, lit=0.3, textureless=0.0),
        guidance=Guidance(
            form="target", scale=1.5, weighting="uniform", t_min=0.05, t_max=Ramp(0.5, 0.25), target_uses=3
        ),
        coarse_share=0.4,
        normal_consistency=300.0,  # [ours] 50 leaves dents, 300 is smooth and keeps edges
        laplacian=20.0,
        detail_grid=HashGridSize(levels=8, log2_entries=15, base=8, finest=96, hidden=32),
    ),
    finish=Finish(faces=12_000, texture=1024),
    # [ours] 15 s of one core. On 8 held-out prompts the scorer prefers it to distilled colours (similarity 0.74, was
    # 0.66) and reads the colour right 4 times instead of 2. Scale 2 leaves patterns pale.
    paint=Paint(views=8, broad=Stroke(steps=12, begin=1.0, scale=3.0), sharp=Stroke(steps=6, begin=0.4, scale=2.0)),
    edit=Edit(tetrahedra=72, again=0.6, t_max=0.85),
    avatar=AvatarSculpt(
        steps=16, views=2, pixels=128, tetrahedra=80, reach=0.002, lattice=32, weight=0.01, keep_colour=60.0,
        keep_shape=4.0, smooth=300.0, learning_rate=0.002, surface_learning_rate=0.0003, cell=0.0055, faces=20_000,
        texture=2048, most_tint=0.05, paint_begin=0.0,
    ),  # [ours] a prior of small pictures has little to say of people: given more, it melts faces; words decide
    paints=True,
    preview_every=3.0,
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

BEST = replace(
    STANDARD,
    name="best",
    # [ours] without hurry, and not measured yet: what the papers and [TS] say of quality, on one GPU. Perp-Neg for one
    # front, a variational fine stage for colours that plain score distillation washes out or burns.
    coarse=replace(
        STANDARD.coarse,
        steps=5000,  # [M3D]
        grid=PAPER.coarse.grid,
        samples=512,  # [TS]
        guidance=replace(STANDARD.coarse.guidance, scale=100.0, perp_neg=True),  # [M3D] scale
    ),
    fine=replace(
        STANDARD.fine,
        steps=6000,
        views=2,  # the student sees the same views once more; its passes take the place of two
        # [VSD] section 4: guidance of 7.5, as for pictures
        guidance=Guidance(form="variational", scale=7.5, weighting="sigma2", t_min=0.02, t_max=Ramp(0.5, 0.3)),
        detail_grid=PAPER.fine.detail_grid,
    ),
    finish=Finish(faces=60_000, texture=4096),
)

PRESETS = {preset.name: preset for preset in (DRAFT, STANDARD, BEST, PAPER)}


def find(name: str) -> Preset:
    """The preset of that name; raises `BadRequest` with the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        raise BadRequest(
            f"There is no preset called {name!r}.",
            hint="Set `preset` to one of: " + ", ".join(PRESETS) + ".",
            path="preset",
        ) from None


def with_effort(preset: Preset, effort: float) -> Preset:
    """The same preset with the steps of the optimising and painting stages multiplied by `effort` (2 at least)."""
    if effort == 1.0:
        return preset

    def steps(stage: Any) -> Any:
        return replace(stage, steps=max(2, round(stage.steps * effort)))

    paint = replace(preset.paint, broad=steps(preset.paint.broad), sharp=steps(preset.paint.sharp))
    # A mesh must be taken on whole, however quick the rest is; more steps would not make it truer.
    edit = replace(preset.edit, begin_steps=max(40, round(preset.edit.begin_steps * min(effort, 1.0))))
    return replace(preset, coarse=steps(preset.coarse), fine=steps(preset.fine), paint=paint,
                   avatar=steps(preset.avatar), edit=edit)


def as_map(value: Any) -> Any:
    """A preset as plain maps, for the report."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_map(getattr(value, field.name)) for field in fields(value)}
    return list(value) if isinstance(value, tuple) else value
