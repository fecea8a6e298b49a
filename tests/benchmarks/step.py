# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile of one optimiser step: what takes how many milliseconds, how many bytes, and the floor below which this
device cannot get.

    python tests/benchmarks/step.py --out out/step [--preset draft] [--prior FOLDER] [--steps 6] [--device cuda]

Both stages of a preset run on the device they are meant for, warmed up first, with the clock read after the device has
come to rest. A phase's floor is its network's multiplications at the speed of a matrix product measured here (16
bits), or its bytes at the speed of a copy measured here. The bar of the paper's scale is that what is outside the
prior's own passes takes at most 15 % of a step; on a CPU it is printed and not demanded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from backend.fields.radiance import RadianceField
from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.jobs import coarse, fine, presets
from backend.jobs.guide import Guide
from backend.jobs.stage import Stage
from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.footprint import META, TOKENS, Alive, _besides
from backend.priors.loading import read_config
from backend.priors.prompts import PromptBook
from backend.priors.unet_prior import UNetPrior, best_dtype
from backend.render import volume
from backend.render.raster import choose_rasteriser
from tests.benchmarks.timing import Race, race

BAR = 0.15
PROMPT = "a red chair"
PRIOR_PHASES = ("prior: network", "prior: encode")


Span = tuple[Any, Any]


@dataclass
class Profile:
    """Milliseconds of phases; a phase inside another is taken off it.

    With `events` the marks lie in the device's own queue, so that measuring changes nothing: what waits in a job waits
    here, and nothing else. Otherwise the device comes to rest (`settle`) before the clock is read.
    """

    settle: Callable[[], None]
    events: bool = False
    spans: list[tuple[str, Span, list[Span]]] = field(default_factory=list)
    steps: int = 0
    _open: list[list[Span]] = field(default_factory=list)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = self._mark()
        self._open.append([])
        try:
            yield
        finally:
            span = (began, self._mark())
            self.spans.append((name, span, self._open.pop()))
            if self._open:
                self._open[-1].append(span)

    def _mark(self) -> Any:
        if self.events:
            mark = torch.cuda.Event(enable_timing=True)
            mark.record()
            return mark
        self.settle()
        return time.perf_counter()

    def _length(self, span: Span) -> float:
        return span[0].elapsed_time(span[1]) if self.events else 1000 * (span[1] - span[0])

    def wrap(self, owner: Any, name: str, phase: str) -> Any:
        """A patch under which every call of `owner.name` counts as `phase`."""
        inside = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.phase(phase):
                return inside(*args, **kwargs)

        return mock.patch.object(owner, name, timed)

    def means(self) -> dict[str, float]:
        """Over all steps: a prior may be asked in some of them only."""
        self.settle()
        found: dict[str, float] = {}
        for name, span, inner in self.spans:
            taken = self._length(span) - sum(self._length(one) for one in inner)
            found[name] = found.get(name, 0.0) + taken / max(self.steps, 1)
        return found


def watch(profile: Profile, stage: Stage[Any], prior: Prior) -> contextlib.ExitStack:
    """All phases of both stages, by the functions that do them."""
    stack = contextlib.ExitStack()
    kind = type(prior)
    for owner, name, phase in (
        (kind, "network", "prior: network"), (kind, "encode", "prior: encode"),
        (volume, "march", "march rays"), (RadianceField, "density_and_colour", "field"),
        (RadianceField, "normals", "field: normals"), (volume, "composite", "composite"),
        (type(stage), "prepare", "occupancy"), (Tensor, "backward", "way back"),
        (torch.optim.Adam, "step", "optimiser"), (TetrahedralSDF, "march", "march tetrahedra"),
        (TextureField, "colour", "field"), (fine, "normal_consistency", "surface terms"),
        (fine, "laplacian", "surface terms"), (fine, "face_pairs", "surface terms"),
        *((type(stage.rasteriser), one, "rasterise") for one in ("rasterise", "interpolate", "antialias")
          if isinstance(stage, fine.FineStage)),
    ):
        stack.enter_context(profile.wrap(owner, name, phase))
    return stack


def measure(
    stage: Stage[Any], prior: Prior, steps: int, settle: Callable[[], None], events: bool = False
) -> tuple[dict[str, float], int]:
    """(milliseconds of each phase, peak bytes of a step's own tensors). events: see `Profile`."""
    for _ in range(2):
        stage.advance()
    with Alive() as alive:
        stage.advance()
    profile = Profile(settle, events)
    with watch(profile, stage, prior):
        for _ in range(steps):
            profile.steps += 1
            with profile.phase("everything else"):
                stage.advance()
    return profile.means(), alive.peak


def network_floor(prior: Prior, images: int, speed: float) -> float:
    """Milliseconds that the network's multiplications take at `speed` (per second)."""
    assert isinstance(prior, UNetPrior)
    size = (1, *prior.traits.latent_shape)
    book = PromptBook(prior, PROMPT)
    view = None
    if prior.traits.knows_camera:
        from backend.jobs.views import turntable
        from backend.priors.views import ViewCondition

        view = ViewCondition.from_cameras(turntable(1, 32).to(prior.device))
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        prior.network(torch.zeros(size, device=prior.device), torch.zeros(1, dtype=torch.int64, device=prior.device),
                      book.positive(1), view)
    return 1000.0 * images * counter.get_total_flops() / speed


def meta_work(folder: Path) -> tuple[float, float]:
    """Floating-point operations of (one image through the UNet of a folder, one image through its VAE's encoder).

    Found with tensors without content, so a folder whose weights are holes will do. 0 for no VAE.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with META:
        config = read_config(folder, "unet")
        unet = UNet2DConditionModel.from_config(config)
        vae = AutoencoderKL.from_config(read_config(folder, "vae")) if (folder / "vae").is_dir() else None
        size, width = int(config["sample_size"]), unet.config.encoder_hid_dim or unet.config.cross_attention_dim
        noisy, tokens = torch.empty(1, int(config["in_channels"]), size, size), torch.empty(1, TOKENS, int(width))
    counts = []
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            unet(noisy, torch.empty(1, device=META), tokens, **_besides(unet.config, 1, torch.float32))
        counts.append(float(counter.get_total_flops()))
        with FlopCounterMode(display=False) as counter:
            if vae is not None:
                side = size * 2 ** (len(vae.config.block_out_channels) - 1)
                vae.encode(torch.empty(1, 3, side, side, device=META))
        counts.append(float(counter.get_total_flops()))
    return counts[0], counts[1]


def race_on(
    settle: Callable[[], None], title: str, works: dict[str, Callable[[], object]], repeats: int
) -> Race:
    """A race whose clock is read after the device came to rest; more warm rounds, for kernels that are compiled."""
    return race(title, works, repeats, warm=2, settle=settle)


def device_speeds(device: torch.device, settle: Callable[[], None]) -> tuple[float, float]:
    """(floating-point operations a second of a 16-bit matrix product, bytes a second of a copy), best of five."""
    size = 4096 if device.type == "cuda" else 1024
    one = torch.randn(size, size, device=device).to(best_dtype(device))
    many = torch.zeros((1 << 28) if device.type == "cuda" else (1 << 25), dtype=torch.uint8, device=device)
    goal = torch.empty_like(many)

    def best(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(6):
            settle()
            began = time.perf_counter()
            work()
            settle()
            taken.append(time.perf_counter() - began)
        return min(taken[1:])

    return 2.0 * size**3 / best(lambda: one @ one), 2.0 * many.numel() / best(lambda: goal.copy_(many))


def stages(preset: presets.Preset, prior: str, device: torch.device) -> Iterator[tuple[str, Stage[Any], Prior, int]]:
    """(name, stage with work as in the middle of a job, prior that is asked, images through its network a step)."""
    broad = catalog.load(prior, "coarse", device)
    one = coarse.CoarseStage(preset.coarse, broad, PromptBook(broad, PROMPT), device, 0)
    yield "coarse", one, broad, 2 * preset.coarse.views
    sharp = catalog.load(prior, "fine", device)
    generator = torch.Generator().manual_seed(1)
    surface = TetrahedralSDF.from_density(lambda points: (0.62 - points.norm(dim=-1)).clamp_min(0) * 50,
                                          preset.fine.tetrahedra, device=device)
    texture = TextureField(
        TextureConfig(coarse.hash_grid_config(preset.fine.detail_grid), preset.fine.detail_grid.hidden), generator
    ).to(device)
    guide = Guide(sharp, PromptBook(sharp, PROMPT), preset.fine.guidance, generator)
    settings = replace(preset.fine, coarse_share=0.0)
    yield "fine", fine.FineStage(settings, surface, texture, guide, guide, choose_rasteriser(device), 1), sharp, (
        2 * preset.fine.views)


def profile_table(title: str, phases: dict[str, float], floor: float | None = None) -> str:
    """Phases, the longest first. floor: milliseconds below which the network cannot get."""
    total = sum(phases.values())
    lines = [f"{title}: {total:.1f} ms a step", "| phase | ms | share | floor, ms |", "|---|---|---|---|"]
    for phase, value in sorted(phases.items(), key=lambda one: -one[1]):
        least = f"{floor:.1f}" if floor is not None and phase == "prior: network" else ""
        lines.append(f"| {phase} | {value:.1f} | {value / total:.0%} | {least} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--prior", default="")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on a CPU; 0 leaves them as they are")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    settle: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    multiply, copy = device_speeds(device, settle)
    found: dict[str, Any] = {"device": str(device), "flops_a_second": multiply, "bytes_a_second": copy}
    print(f"{device}: {multiply / 1e12:.2f} TFLOP/s in 16 bits, {copy / 1e9:.1f} GB/s")
    missed = False
    for name, stage, prior, images in stages(presets.find(options.preset), options.prior, device):
        phases, peak = measure(stage, prior, options.steps, settle)
        total = sum(phases.values())
        outside = 1 - sum(phases.get(one, 0.0) for one in PRIOR_PHASES) / total
        floor = network_floor(prior, images, multiply)
        missed |= device.type == "cuda" and outside > BAR
        found[name] = {"milliseconds": phases, "total": total, "outside_the_prior": outside,
                       "network_floor": floor, "peak_bytes": peak,
                       "peak_floor": 1000 * peak / copy}
        print(f"\n{outside:.0%} of a step is outside the prior; its tensors take {peak / 1e6:.0f} MB at most, "
              f"{1000 * peak / copy:.1f} ms to write and read once")
        print(profile_table(f"{options.preset}, {name}", phases, floor))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "step.json").write_text(json.dumps(found, indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
