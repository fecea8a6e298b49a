# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a job fits a device, and how, decided before anything is loaded.

The plan names what gives way, in this order: text encoders are let go once the prompt is read, or read it on the CPU; a
step looks through its views in several turns (the same gradient, a little slower, see `stage.Stage`); the branches
of guidance pass through the network one after the other. What a job asks of the networks comes from `priors.footprint`,
what it asks of fields and renderers from the sizes in its preset and the figures below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from backend.jobs.context import JobContext
from backend.jobs.presets import Coarse, Fine, Guidance, HashGridSize, Preset
from backend.priors import catalog
from backend.priors.footprint import Footprint, footprint
from backend.priors.unet_prior import best_dtype
from protocol.errors import OutOfMemory

# Measured as live tensors of single steps (`priors.footprint.Alive`), draft's and paper's grids, and rounded up.
COPIES = 6  # of a field's parameters: themselves, gradient, Adam's two, and two snapshots
OCCUPIED = 0.12  # share of the ray samples that lie in occupied cells; 0.04 to 0.07 at the start
LIT = 2.5  # times, where normals are needed: densities at four neighbours
PIXEL = 300  # bytes of a rasterised pixel, normals and antialiasing included
COVERED = 0.7  # share of the pixels that show the object and ask the texture field
CELL = 6 * 40  # bytes of a cell of the tetrahedral grid, six tetrahedra, while it is marched
RESERVE = 0.08  # of the budget, for what PyTorch's allocator cannot reuse
CONTEXT = 600 << 20  # CUDA's own, with cuDNN and the compiled kernels
BRANCHES = 2  # of classifier-free guidance; Perp-Neg has twice as many
GB = 1e9


@dataclass(frozen=True)
class MemoryPlan:
    """How a job is to be run.

    Attributes:
        coarse_turns, fine_turns: of a step.
        texts_apart: guidance's branches pass through a prior's network one after another.
        keep_text: text encoders stay loaded, so that the next prompt is read at once.
        text_on_device: they read on the device, otherwise on the CPU.
        needed: bytes at the fullest moment. budget: bytes there are.
    """

    coarse_turns: int
    fine_turns: int
    texts_apart: bool
    keep_text: bool
    text_on_device: bool
    needed: int
    budget: int

    def sentence(self) -> str:
        """What the user should know of it; empty where nothing gives way."""
        if not self.budget:
            return ("The memory ran out before; this attempt looks through its views in turns and takes longer."
                    if self.coarse_turns > 1 else "")
        ways = []
        if not self.text_on_device:
            ways.append("the prompt is read on the CPU")
        if self.coarse_turns > 1 or self.fine_turns > 1:
            ways.append(f"views are looked through in turns ({self.coarse_turns} coarse, {self.fine_turns} fine)")
        if self.texts_apart:
            ways.append("the prior is asked with and without the prompt one after the other")
        if not ways:
            return ""
        return (f"To fit into {self.budget / GB:.1f} GB of memory (it takes about {self.needed / GB:.1f} GB), "
                f"{'; '.join(ways)}. It takes longer than with more memory.")

    def to_map(self) -> dict[str, object]:
        """For the report."""
        return {
            "coarse_turns": self.coarse_turns, "fine_turns": self.fine_turns, "texts_apart": self.texts_apart,
            "keep_text": self.keep_text, "text_on_device": self.text_on_device, "needed_bytes": self.needed,
            "budget_bytes": self.budget,
        }


def plan_for(preset: Preset, prior: str, context: JobContext) -> MemoryPlan:
    """The plan for a job with this setting `prior`, before its priors are loaded.

    On a CPU nothing is bounded; after an attempt that ran out of memory, views are looked through in turns there too.
    Raises as `plan` and `catalog.locate`.
    """
    budget = budget_of(context.device, context.memory_share)
    if budget is None:
        turns, world = round(1 / max(context.memory_share, 1e-3)), context.ranks.world
        coarse, fine = (min(turns, max(stage.views // world, 1)) for stage in (preset.coarse, preset.fine))
        return MemoryPlan(coarse, fine, False, True, True, 0, 0)
    dtype = best_dtype(context.device)
    folders = [catalog.locate(prior, role) for role in ("coarse", "fine")]
    broad = footprint(folders[0], dtype)
    return plan(preset, broad, broad if folders[1] == folders[0] else footprint(folders[1], dtype), budget,
                world=context.ranks.world)


def budget_of(device: torch.device, share: float = 1.0) -> int | None:
    """Bytes that a job may use there; None for a CPU, whose memory the system shares out by itself."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    # What PyTorch holds for later is free for us too.
    return int((free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) * share)


def plan(
    preset: Preset, broad: Footprint, sharp: Footprint, budget: int, together: int = 1, world: int = 1
) -> MemoryPlan:
    """How the job fits. broad, sharp: the priors of the two stages, which may be the same one. together: views that a
    prior must see at once. world: devices that share the views, each with this budget.

    Raises OutOfMemory when it does not fit in any way.
    """
    usable = int(budget * (1 - RESERVE)) - CONTEXT
    weights = broad.weights + (0 if sharp is broad else sharp.weights)
    text = broad.text + (0 if sharp is broad else sharp.text)
    on_device = weights + text <= usable
    coarse, fine = (_ways(stage.views // world, together) for stage in (preset.coarse, preset.fine))
    preset = replace(preset, coarse=replace(preset.coarse, views=-(-preset.coarse.views // world)),
                     fine=replace(preset.fine, views=-(-preset.fine.views // world)))
    best = 0
    for keep_text in ((True, False) if on_device else (False,)):
        for apart in (False, True):
            held = weights + (text if keep_text else 0)
            first = [(turns, held + coarse_bytes(preset.coarse, broad, turns, apart)) for turns in coarse]
            second = [(turns, held + fine_bytes(preset.fine, sharp, turns, apart)) for turns in fine]
            best = max(first[-1][1], second[-1][1])
            fits = [next((one for one in ways if one[1] <= usable), None) for ways in (first, second)]
            if fits[0] is None or fits[1] is None or (keep_text and (fits[0][0] > 1 or fits[1][0] > 1)):
                continue  # the text encoders go before the views are parted
            needed = max(fits[0][1], fits[1][1], weights + (text if on_device else 0)) + CONTEXT
            return MemoryPlan(fits[0][0], fits[1][0], apart, keep_text, on_device, needed, budget)
    least = int((best + CONTEXT) / (1 - RESERVE))
    raise OutOfMemory(
        f"The preset {preset.name} with {broad.name}{'' if sharp is broad else f' and {sharp.name}'} needs at least "
        f"{least / GB:.1f} GB of the device's memory; {budget / GB:.1f} GB are free.",
        hint="Choose a smaller `prior` or `preset`, or close what else uses the device.",
        detail={"needed": least, "free": budget},
    )


def coarse_bytes(settings: Coarse, prior: Footprint, turns: int, apart: bool = False) -> int:
    """What a step of the coarse stage takes besides the prior's weights."""
    views = -(-settings.views // turns)
    samples = views * settings.pixels**2 * settings.samples * OCCUPIED
    render = samples * _point(settings.grid) * LIT
    return int(COPIES * _table(settings.grid) + render) + _prior(
        prior, views, settings.guidance, apart)


def fine_bytes(settings: Fine, prior: Footprint, turns: int, apart: bool = False) -> int:
    """The same of the fine stage."""
    views = -(-settings.views // turns)
    pixels = views * settings.pixels**2
    render = pixels * (PIXEL + COVERED * _point(settings.detail_grid))
    return int(COPIES * _table(settings.detail_grid) + CELL * settings.tetrahedra**3 + render) + _prior(
        prior, views, settings.guidance, apart)


def _prior(prior: Footprint, views: int, guidance: Guidance, apart: bool) -> int:
    """Encoding and the network's passes do not happen at the same time."""
    branches = 2 * BRANCHES if guidance.perp_neg else BRANCHES
    network = prior.network * views * (1 if apart else branches)
    learning = prior.learning * views if guidance.form == "variational" else 0
    return max(network, learning, prior.encode * views, prior.decode)


def _table(grid: HashGridSize) -> int:
    """Bytes of a hash grid's features, two float32 an entry; coarse levels hold no more than their cells."""
    growth = (grid.finest / grid.base) ** (1 / max(grid.levels - 1, 1))
    cells = ((grid.base * growth**level + 1) ** 3 for level in range(grid.levels))
    return int(sum(min(one, 2**grid.log2_entries) for one in cells)) * 8


def _point(grid: HashGridSize) -> int:
    """Bytes that a point leaves behind for the backward pass: features, two hidden layers with their gradients."""
    return 4 * (2 * grid.levels * 2 + 4 * grid.hidden + 40)


def _ways(views: int, together: int) -> list[int]:
    """In how many turns a step may be parted: 1, 2, 4, ... and one group of views a turn."""
    most = max(views // together, 1)
    ways = [1]
    while ways[-1] * 2 < most:
        ways.append(ways[-1] * 2)
    return ways if most == 1 else [*ways, most]
