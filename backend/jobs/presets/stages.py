# SPDX-License-Identifier: GPL-3.0-or-later
"""What a preset says: one frozen dataclass for each stage of a recipe, and `Preset`, which has them all.

Each field tells what its number does and, where all presets took it from the same place, who says so; the marks are
those of the package's page. The numbers themselves are in the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass


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
