# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a job fits a device, and how, decided before anything is loaded.

The plan names what gives way, in this order: text encoders are let go once the prompt is read, or read it on the CPU;
of priors that take turns with the stages only the one that is asked lies on the device (`priors.parking`); pictures go
through the VAE one by one; a step looks through its views in several turns (the same gradient, a little slower, see
`stage.Stage`); the branches of guidance pass through the network one after the other; priors that are asked together in
a step take turns too. What a job asks of the networks comes from `priors.footprint`, what it asks of fields and
renderers from the sizes in its preset and the figures below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from backend.jobs.context import JobContext
from backend.jobs.presets import Coarse, Fine, Guidance, HashGridSize, Preset
from backend.priors import catalog
from backend.priors.flows import picture_size
from backend.priors.footprint import Footprint, footprint
from backend.priors.known_models import Role
from backend.priors.several import parts_of
from backend.priors.unet_prior import best_dtype
from protocol.errors import OutOfMemory

# Measured as live tensors of single steps (`priors.footprint.Alive`), draft's and paper's grids, and rounded up.
COPIES = 6  # of a field's parameters: themselves, gradient, Adam's two, and two snapshots
OCCUPIED = 0.12  # share of the ray samples that lie in occupied cells; 0.04 to 0.07 at the start
LIT = 2.5  # times, where normals are needed: densities at four neighbours
PIXEL = 300  # bytes of a rasterised pixel, normals and antialiasing included
COVERED = 0.7  # share of the pixels that show the object and ask the texture field
TEXEL = 64  # bytes of a texel while it is painted: colours, weights and places of a few views
OCCUPANCY_CELL = 40  # bytes of a cell of the occupancy grid, its state, its snapshots and an update of it
CELL = 6 * 40  # bytes of a cell of the tetrahedral grid, six tetrahedra, while it is marched
RESERVE = 0.08  # of the budget, for what PyTorch's allocator cannot reuse
CONTEXT = 600 << 20  # CUDA's own, with cuDNN and the compiled kernels
PICTURES_AT_ONCE = 4  # through a VAE: as many as fill a GPU at 512 px
BRANCHES = 2  # of classifier-free guidance; Perp-Neg has twice as many
GB = 1e9
ROLES: tuple[Role, Role] = ("coarse", "fine")

Heard = tuple[Footprint, ...]  # the priors that a stage asks


@dataclass(frozen=True)
class MemoryPlan:
    """How a job is to be run.

    Attributes:
        coarse_turns, fine_turns: of a step.
        texts_apart: guidance's branches pass through a prior's network one after another.
        keep_text: text encoders stay loaded, so that the next prompt is read at once.
        text_on_device: they read on the device, otherwise on the CPU.
        parked: only the prior that is asked lies on the device, the others in the host's memory.
        pictures_at_once: that go through a VAE together, 0 for all.
        needed: bytes at the fullest moment. budget: bytes there are.
    """

    coarse_turns: int
    fine_turns: int
    texts_apart: bool
    keep_text: bool
    text_on_device: bool
    needed: int
    budget: int
    parked: bool = False
    pictures_at_once: int = 0

    def sentence(self) -> str:
        """What the user should know of it; empty where nothing gives way."""
        if not self.budget:
            return ("The memory ran out before; this attempt looks through its views in turns and takes longer."
                    if self.coarse_turns > 1 else "")
        ways = []
        if not self.text_on_device:
            ways.append("the prompt is read on the CPU")
        if self.parked:
            ways.append("of several priors only the one that is asked lies on the device")
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
            "budget_bytes": self.budget, "parked": self.parked, "pictures_at_once": self.pictures_at_once,
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
    broad, sharp = (_heard(prior, role, context) for role in ROLES)
    return plan(preset, broad, sharp, budget, world=context.ranks.world, parks=_may_park(context))


def plan_painting(
    prior: str, context: JobContext, views: int, roles: tuple[Role, Role] = ("coarse", "fine"), room: int = 0
) -> MemoryPlan:
    """The plan for a job that paints `views` at once with the priors of these roles, one after the other.

    room: bytes that it needs besides. Raises as `paint_plan` and `catalog.locate`.
    """
    budget = budget_of(context.device, context.memory_share)
    if budget is None:
        return MemoryPlan(1, 1, False, True, True, 0, 0)
    priors = [_heard(prior, role, context)[0] for role in roles]
    return paint_plan(priors, views, budget, room, _may_park(context))


def plan_figure(
    prior: str, context: JobContext, views: int, tetrahedra: int, room: int = 0
) -> tuple[MemoryPlan, int]:
    """The plan for a surface on a grid of `tetrahedra` cells a side that is looked at from `views` at once, and from
    how many of them there is room for. Raises as `plan_painting`."""
    room += CELL * tetrahedra**3
    while True:
        try:
            return plan_painting(prior, context, views, room=room), views
        except OutOfMemory:
            if views == 1:
                raise
            views //= 2


def surface_room(texels: int, pixels: int, views: int) -> int:
    """Bytes of a texture of `texels` a side under work, and of `views` pictures of it that are rendered."""
    return TEXEL * texels**2 + views * pixels**2 * PIXEL


def _may_park(context: JobContext) -> bool:
    """Learned words and styles work in copies of a prior, which a parked one cannot give."""
    return not any(name.startswith(("identity_", "style_")) for name in context.inputs)


def _heard(setting: str, role: Role, context: JobContext) -> Heard:
    """What the priors of a stage need; a worker remembers it, for finding it takes seconds."""
    found = []
    for one in parts_of(catalog.of_role(setting, role)):
        folder = catalog.locate(one.name, role)
        size = picture_size(folder, role)
        key = f"footprint {folder} {size} {context.device}"
        if key not in context.cache:
            context.cache[key] = footprint(folder, best_dtype(context.device), size)
        found.append(context.cache[key])
    return tuple(found)


def budget_of(device: torch.device, share: float = 1.0) -> int | None:
    """Bytes that a job may use there; None for a CPU, whose memory the system shares out by itself."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    # What PyTorch holds for later is free for us too.
    return int((free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) * share)


def plan(
    preset: Preset, broad: Footprint | Heard, sharp: Footprint | Heard, budget: int, together: int = 1, world: int = 1,
    parks: bool = True,
) -> MemoryPlan:
    """How the job fits. broad, sharp: the priors of the two stages, which may be the same; several where they are asked
    together. together: views that a prior must see at once. world: devices that share the views, each with this budget.
    parks: priors may take turns on the device.

    Raises OutOfMemory when it does not fit in any way.
    """
    first, second = ((one,) if isinstance(one, Footprint) else tuple(one) for one in (broad, sharp))
    asked = (first, (*second, *first) if preset.fine.coarse_share > 0 else second)
    usable, everyone = int(budget * (1 - RESERVE)) - CONTEXT, _different((*first, *second))
    weights, text = (sum(getattr(one, part) for one in everyone) for part in ("weights", "text"))
    steps = preset.coarse.views, preset.fine.views
    ways = [_ways(views // world, together) for views in steps]
    stages = (replace(preset.coarse, views=-(-steps[0] // world)), replace(preset.fine, views=-(-steps[1] // world)))
    best = 0
    for keep, parked, apart in _rungs(len(everyone) if parks else 1, max(len(_different(one)) for one in asked)):
        held = [_held(priors, parked, weights) + (text if keep else 0) for priors in asked]
        on_device = text + (0 if parked else weights) <= usable
        if keep and not on_device:
            continue
        for few in (PICTURES_AT_ONCE, 1):
            needs = (
                [(turns, held[0] + max(coarse_bytes(stages[0], prior, turns, apart, few) for prior in asked[0]))
                 for turns in ways[0]],
                [(turns, held[1] + max(fine_bytes(stages[1], prior, turns, apart, few) for prior in asked[1]))
                 for turns in ways[1]],
            )
            best = max(one[-1][1] for one in needs)
            one, two = (next((one for one in some if one[1] <= usable), None) for some in needs)
            if one is None or two is None or ((keep or few > 1) and (one[0] > 1 or two[0] > 1)):
                continue  # the text encoders go, and pictures one by one, before the views are parted
            needed = max(one[1], two[1], (0 if parked else weights) + (text if on_device else 0)) + CONTEXT
            return MemoryPlan(one[0], two[0], apart, keep, on_device, needed, budget, parked, few)
    raise _refused(f"The preset {preset.name}", everyone, best, budget)


def paint_plan(
    priors: Sequence[Footprint], views: int, budget: int, room: int = 0, parks: bool = True
) -> MemoryPlan:
    """How painting fits, where each prior in its turn denoises `views` together. Raises OutOfMemory."""
    usable, everyone = int(budget * (1 - RESERVE)) - CONTEXT, _different(tuple(priors))
    weights, text = (sum(getattr(one, part) for one in everyone) for part in ("weights", "text"))
    best = 0
    for keep, parked, apart in _rungs(len(everyone) if parks else 1, 1):
        on_device = text + (0 if parked else weights) <= usable
        if keep and not on_device:
            continue
        for few in (PICTURES_AT_ONCE, 1):
            best = room + (text if keep else 0) + max(
                _held((one,), parked, weights) + painting_bytes(one, views, apart, few) for one in everyone)
            if best <= usable:
                needed = max(best, (0 if parked else weights) + (text if on_device else 0)) + CONTEXT
                return MemoryPlan(1, 1, apart, keep, on_device, needed, budget, parked, few)
    raise _refused(f"Painting {views} views", everyone, best, budget)


def _rungs(priors: int, in_a_step: int) -> list[tuple[bool, bool, bool]]:
    """(keep the text encoders, park priors, branches apart), what costs least first. Priors that take turns between
    stages move once, so they are parked before anything makes steps longer; those of one step move in every step."""
    with_text = [(True, False, False)]
    plain, parked = [(False, False, False), (False, False, True)], [(False, True, False), (False, True, True)]
    if priors == 1:
        return [*with_text, *plain]
    return [*with_text, *parked] if in_a_step == 1 else [*with_text, *plain, *parked]


def _different(priors: Sequence[Footprint]) -> Heard:
    """Each once: one at another picture size has the same weights, so its name and their size tell."""
    return tuple({(one.name, one.weights): one for one in priors}.values())


def _held(priors: Heard, parked: bool, weights: int) -> int:
    return max(one.weights for one in priors) if parked else weights


def _refused(what: str, priors: Heard, best: int, budget: int) -> OutOfMemory:
    least = int((best + CONTEXT) / (1 - RESERVE))
    return OutOfMemory(
        f"{what} with {' and '.join(one.name for one in priors)} needs at least {least / GB:.1f} GB of the device's "
        f"memory; {budget / GB:.1f} GB are free.",
        hint="Choose a smaller `prior` or `preset`, or close what else uses the device.",
        detail={"needed": least, "free": budget},
    )


def painting_bytes(prior: Footprint, views: int, apart: bool = False, few: int = PICTURES_AT_ONCE) -> int:
    """What a step of painting takes besides the weights: the network on all views, or the VAE on a `few` of them."""
    few = min(views, few)
    return max(prior.network * views * (1 if apart else BRANCHES), prior.encode * few, prior.decode * few)


def coarse_bytes(
    settings: Coarse, prior: Footprint, turns: int, apart: bool = False, few: int = PICTURES_AT_ONCE
) -> int:
    """What a step of the coarse stage takes besides the prior's weights."""
    views = -(-settings.views // turns)
    samples = views * settings.pixels**2 * settings.samples * OCCUPIED
    render = samples * _point(settings.grid) * LIT
    cells = OCCUPANCY_CELL * settings.occupancy**3
    return int(COPIES * _table(settings.grid) + render + cells) + _prior(
        prior, views, settings.guidance, apart, few)


def fine_bytes(
    settings: Fine, prior: Footprint, turns: int, apart: bool = False, few: int = PICTURES_AT_ONCE
) -> int:
    """The same of the fine stage."""
    views = -(-settings.views // turns)
    pixels = views * settings.pixels**2
    render = pixels * (PIXEL + COVERED * _point(settings.detail_grid))
    return int(COPIES * _table(settings.detail_grid) + CELL * settings.tetrahedra**3 + render) + _prior(
        prior, views, settings.guidance, apart, few)


def _prior(prior: Footprint, views: int, guidance: Guidance, apart: bool, few: int) -> int:
    """Encoding and the network's passes do not happen at the same time."""
    branches = 2 * BRANCHES if guidance.perp_neg else BRANCHES
    network = prior.network * views * (1 if apart else branches)
    learning = prior.learning * views if guidance.form == "variational" else 0
    return max(network, learning, prior.encode * min(views, few), prior.decode)


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
