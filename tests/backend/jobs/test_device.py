# SPDX-License-Identifier: GPL-3.0-or-later
"""A step on a GPU, shown without one: nothing on the wrong device, and nobody waits once the prior has been asked.

`tests.backend.pretend` runs the stages on a make-believe `cuda:0`. The host may wait where the number of something
decides what is done next (samples of a march, corners of a surface, pixels that are covered); these places are named
here. From the prior's first pass to the end of the step there are none, because there a GPU has a long queue of work to
wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.fields.tetrahedral_sdf import TetrahedralSDF
from backend.fields.texture import TextureConfig, TextureField
from backend.jobs import TerminalContext, memory, presets, text_to_3d
from backend.jobs.coarse import CoarseStage, hash_grid_config
from backend.jobs.fine import FineStage
from backend.jobs.guide import Guide
from backend.jobs.presets import DRAFT, HashGridSize, LightRange, Ramp
from backend.jobs.stage import Stage
from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.prompts import PromptBook
from backend.render.raster import WarpRasteriser
from protocol.specs import TextTo3DSpec
from tests.backend.pretend import GPU, pretend_gpu
from tests.benchmarks.gpu import Bench
from tests.benchmarks.random_prior import write

torch.set_num_threads(1)

CPU = torch.device("cpu")
GRID = HashGridSize(levels=4, log2_entries=10, base=4, finest=16, hidden=8)
ALWAYS_LIT = LightRange(begin=0.0, lit=1.0, textureless=0.5)
COARSE = replace(
    DRAFT.coarse, steps=40, views=2, pixels=8, samples=16, grid=GRID, occupancy=8, light=ALWAYS_LIT,
    orientation=Ramp(1.0, 1.0), opaque=Ramp(0.1, 0.1), sparsity=Ramp(1.0, 1.0))
FINE = replace(DRAFT.fine, steps=40, views=2, pixels=16, tetrahedra=12, detail_grid=GRID, light=ALWAYS_LIT,
               coarse_share=0.0)
# Numbers of things, which decide how much is done next.
SAMPLES = {"backend/kernels/ray_march.py:march", "backend/render/volume.py:_render_rays"}
SURFACE = {
    "backend/geometry/tetrahedra.py:_march_topology", "backend/geometry/tetrahedra.py:marching_tetrahedra",
    "backend/jobs/fine.py:render_surface", "backend/render/antialias.py:edge_topology",
    "backend/kernels/silhouette.py:silhouette_pairs", "backend/geometry/regularisers.py:face_pairs",
}
# The forms between them take every way through `backend.distillation`.
COARSE_FORMS = ("noise", "perp_neg", "variational")
FINE_FORMS = ("clean", "classifier", "target")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion."""
    return write("sd15", tmp_path_factory.mktemp("device") / "sd15", torch.float32, tiny=True, filled=True)


def speaker(folder: Path, device: torch.device) -> tuple[Prior, PromptBook]:
    prior = catalog.load(str(folder), "fine", device, torch.float32)
    return prior, PromptBook(prior, "a red cube", "a dog")


def guided(settings: Any, form: str) -> Any:
    kind = "noise" if form == "perp_neg" else form
    guidance = replace(settings.guidance, form=kind, scale=3.0, perp_neg=form == "perp_neg", target_uses=1)
    return replace(settings, guidance=guidance)


def coarse(folder: Path, device: torch.device, form: str, turns: int = 1) -> Stage[Any]:
    return CoarseStage(guided(COARSE, form), *speaker(folder, device), device, 1, turns=turns)


def fine(folder: Path, device: torch.device, form: str, turns: int = 1) -> Stage[Any]:
    surface = TetrahedralSDF.from_density(lambda points: (0.6 - points.norm(dim=-1)).clamp_min(0) * 50, 12,
                                          device=device)
    texture = TextureField(TextureConfig(hash_grid_config(GRID), GRID.hidden), torch.Generator().manual_seed(2))
    settings = guided(FINE, form)
    guide = Guide(*speaker(folder, device), settings.guidance, torch.Generator().manual_seed(4))
    return FineStage(settings, surface, texture.to(device), guide, guide, WarpRasteriser(), 5, turns=turns)


@pytest.fixture
def gpu() -> Iterator[Any]:
    with pretend_gpu() as waits:
        yield waits


def asked(stage: Any, waits: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """One step; gives the waits from the prior's first pass on, and leaves those before it in `waits`."""
    prior = (stage.guide if isinstance(stage, CoarseStage) else stage.fine).prior
    before: list[dict[str, set[str]]] = []
    plain = prior.network

    def network(*args: Any) -> Any:
        if not before:
            before.append(waits.places())
            waits.seen.clear()
        return plain(*args)

    monkeypatch.setattr(prior, "network", network)
    waits.seen.clear()
    stage.advance()
    monkeypatch.undo()
    after = waits.places()
    assert before, "the prior was not asked"
    waits.earlier = before[0]
    return after


CASES = [*((coarse, SAMPLES, form) for form in COARSE_FORMS), *((fine, SURFACE, form) for form in FINE_FORMS)]


@pytest.mark.parametrize(("make", "named", "form"), CASES, ids=[f"{one[0].__name__}-{one[2]}" for one in CASES])
def test_nobody_waits_after_the_prior_was_asked(make, named, form, folder, gpu, monkeypatch) -> None:
    stage = make(folder, GPU, form)
    stage.advance()  # the first fits linear maps, looks at all cells of the occupancy grid and keeps a state
    after = asked(stage, gpu, monkeypatch)
    assert after == {}
    assert set(gpu.earlier) <= named and gpu.earlier


@pytest.mark.parametrize("make", [coarse, fine], ids=["coarse", "fine"])
def test_several_turns_wait_in_the_named_places_only(make, folder, gpu) -> None:
    stage = make(folder, GPU, "noise", turns=2)
    stage.advance()
    gpu.seen.clear()
    stage.advance()
    assert set(gpu.places()) <= SAMPLES | SURFACE


@pytest.mark.parametrize("make", [coarse, fine], ids=["coarse", "fine"])
def test_a_step_there_is_the_step_here(make, folder) -> None:
    here = make(folder, CPU, "noise")
    for _ in range(2):
        here.advance()
    with pretend_gpu():
        there = make(folder, GPU, "noise")
        for _ in range(2):
            there.advance()
        found = [one.detach().cpu() for one in there._parameters()]
    for one, other in zip(here._parameters(), found, strict=True):
        torch.testing.assert_close(one.detach(), other, rtol=1e-4, atol=1e-5)


def test_a_whole_job_finds_everything_where_it_works(folder, gpu, monkeypatch, tmp_path) -> None:
    """Text to 3D with two priors that take turns on the device, previews, checkpoints, painting and delivery."""
    other = write("sd21", tmp_path / "sd21", torch.float32, tiny=True, filled=True)
    preset = Bench(CPU, "sd15", tmp_path, True, False, 1).preset("standard")
    few = {stage: replace(getattr(preset.paint, stage), steps=2) for stage in ("broad", "sharp")}
    preset = replace(preset, coarse=replace(preset.coarse, steps=3), fine=replace(preset.fine, steps=3), paints=True,
                     preview_every=0.0, paint=replace(preset.paint, views=2, **few))
    monkeypatch.setattr(presets, "find", lambda _: preset)
    monkeypatch.setattr(memory, "plan_for", lambda *_: memory.MemoryPlan(1, 1, False, False, True, 1, 1, True, 2))
    # What can only be asked where there is a driver.
    monkeypatch.setattr(catalog, "best_dtype", lambda _: torch.float32)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 0)
    context = TerminalContext(tmp_path / "job", GPU)
    result = text_to_3d.text_to_3d(TextTo3DSpec("a red cube", prior=f"{folder}, {other}", seed=1), context)
    assert len(result.arrays["faces"]) and context.meshes and result.report["memory"]["parked"]
    assert len(context.cache["garage"]) == 2 and context.cache["garage"].moves >= 4


def test_what_a_gpu_refuses_the_make_believe_refuses(gpu) -> None:
    far, near = torch.ones(3, device=GPU), torch.ones(3)
    with pytest.raises(RuntimeError, match="same device"):
        far + near
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(3, generator=torch.Generator(), device=GPU)
    with pytest.raises(TypeError, match="numpy"):
        far.numpy()
    gpu.seen.clear()
    assert float(far.sum()) == 3 and far[far > 0].shape == (3,) and bool(far.cpu().all())
    assert far[[0, 2]].shape == (2,) and near.to(GPU).device == GPU
    assert {why for _, why in gpu.seen} == {"_local_scalar_dense", "index by truth values", "copy to the host",
                                            "index that lies in host memory", "copy to the device"}
    gpu.seen.clear()
    sent = near.pin_memory().to(GPU, non_blocking=True)
    assert float((sent + far).sum().cpu()) == 6 and {why for _, why in gpu.seen} == {"copy to the host"}
