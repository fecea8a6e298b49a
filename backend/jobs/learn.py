# SPDX-License-Identifier: GPL-3.0-or-later
"""A few pictures become a word: read them, find their views, learn with the prior of each stage, show it, deliver."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.identity.learned import INVERSION, LORA, Learned, Lesson
from backend.identity.lesson_stage import ChangesStudent, Examples, LessonStage, Student, WordStudent
from backend.identity.lookout import likeliest_views
from backend.identity.pictures import Picture, read_pictures, repeated
from backend.identity.speaking import speaking
from backend.identity.words import is_ordinary
from backend.jobs.context import JobContext
from backend.jobs.keeper import Keeper
from backend.jobs.previews import png, to_bytes
from backend.jobs.prompt import Notes, load_prior
from backend.jobs.results import MeshResult, versions
from backend.jobs.stopwatch import Stopwatch
from backend.priors.base import Prior, resize
from backend.priors.embedded import EmbeddedPrior
from backend.priors.stable_diffusion import StableDiffusionXLPrior
from backend.priors.text import TeachableText
from backend.priors.unet_prior import UNetPrior
from backend.priors.views import ViewCondition
from protocol.errors import BadRequest
from protocol.specs import LearnSpec

Tell = Callable[[float, str], None]
KEPT = 8  # pictures that the prior makes of the noun, to hold what it means (Ruiz et al. take 200 to 300 for a network)
KEPT_STEPS = 12
KEPT_SCALE = 2.0
SHOWN = 4  # pictures with the word on the sheet
TILE = 128  # pixels of each


@dataclass(frozen=True)
class Pace:
    """steps, batch (pictures a step) and learning rate."""

    steps: int
    batch: int
    rate: float


# [ours] embedded: two minutes of one core for both networks. Others: diffusers' examples (train_dreambooth_lora: 500
# steps, 1e-4 to 5e-4; textual_inversion: 3000 steps at 5e-4, of which a third is enough at the rate below).
PACES = {
    (LORA, True): Pace(240, 4, 4e-3),
    (INVERSION, True): Pace(240, 4, 2e-2),
    (LORA, False): Pace(500, 1, 3e-4),
    (INVERSION, False): Pace(1000, 2, 2e-3),
}


def learn(spec: LearnSpec, context: JobContext) -> MeshResult:
    """The whole recipe. Goes on from the job's checkpoint if there is one. Raises MaquetteError for the user's eyes.

    The result's arrays: identity, a safetensors file (see `backend.identity.learned`), and thumbnail, a PNG: the
    pictures as the prior saw them, and below what it makes of the word.
    """
    saved = context.load_checkpoint() or {}
    seed = saved.get("seed", spec.seed if spec.seed is not None else secrets.randbelow(2**31))
    watch = Stopwatch(context, {"read the pictures": 3.0, "look": 12.0, "learn": 120.0, "show": 6.0})
    notes = Notes(context)
    with watch.stage("read the pictures", spec.title):
        pictures = read_pictures(context.inputs)
        for name in repeated(pictures):
            notes.add(f"The picture {name} came in twice; other sides of the thing would teach more.")
        priors = _priors(spec, context, notes)
        squares = [_squares(pictures, prior, "views" not in context.inputs) for prior in priors]
        if any(one.traits.channels == "rgba" for one in priors) and any(one.alpha is None for one in pictures):
            notes.add("Some pictures have a background that could not be told from the object; it is learned along. "
                      "Cut the object out (a transparent PNG), or put it before one colour.")
        context.preview_image(_sheet([squares[-1]]))
    with watch.stage("look", "finding out from where they were taken") as tell:
        views = _views(spec, context, priors, squares, seed, tell)
        kept = [_kept(spec, prior, seed + 11, _later(tell, number, len(priors)))
                for number, prior in enumerate(priors)]
    with watch.stage("learn", f"learning {spec.word}") as tell:
        stages = [_stage(spec, prior, square, views, keeps, seed + number)
                  for number, (prior, square, keeps) in enumerate(zip(priors, squares, kept, strict=True))]
        losses = _study(stages, saved, tell, Keeper(context, seed))
    settings = {"seed": seed, "rank": spec.rank, "vectors": spec.vectors, "preservation": spec.preservation,
                "pictures": len(pictures), "steps": [one.steps for one in stages], "versions": versions()}
    learned = Learned(spec.word, spec.noun, spec.subject, spec.method, tuple(
        Lesson(prior.traits.name, prior.traits.revision, stage.student.tensors())
        for prior, stage in zip(priors, stages, strict=True)), settings)
    content = learned.to_bytes()
    with watch.stage("show", "drawing it") as tell:
        drawn = _drawn(spec, priors[-1], learned, seed, tell)
    report = {
        "word": spec.word,
        "noun": spec.noun,
        "subject": spec.subject,
        "method": spec.method,
        "prompt": _captions(spec)[0],
        "seed": seed,
        "prior": [one.traits.name for one in priors],
        "prior_revision": [one.traits.revision for one in priors],
        "settings": settings,
        "losses": losses,
        "parameters": [sum(tensor.numel() for tensor in lesson.tensors.values()) for lesson in learned.lessons],
        "bytes": len(content),
        "views": None if views is None else torch.stack([views.azimuth, views.elevation], 1).rad2deg().tolist(),
        "versions": versions(),
        "device": str(context.device),
        "stages": [record.to_map() for record in watch.records],
        "warnings": notes.warnings,
    }
    context.progress("done", 1.0, "finished", 0.0)
    return MeshResult({"identity": content, "thumbnail": png(_sheet([squares[-1], drawn]))}, report)


def _later(tell: Tell, number: int, count: int) -> Tell:
    """Tells the shares of one of `count` things in the last two fifths of a stage."""
    return lambda share, message: tell(0.6 + 0.4 * (number + share) / count, message)


def _priors(spec: LearnSpec, context: JobContext, notes: Notes) -> list[UNetPrior]:
    """The prior of each stage, one that serves both once. Raises BadRequest for what cannot learn."""
    broad, sharp = load_prior(spec.prior, "coarse", context), load_prior(spec.prior, "fine", context)
    priors: list[Prior] = [broad] if sharp is broad else [broad, sharp]
    found: list[UNetPrior] = []
    for prior in priors:
        if not isinstance(prior, UNetPrior) or prior.traits.views_together > 1:
            raise BadRequest(f"{prior.traits.name} cannot learn words from single pictures.", path="prior",
                             hint="Set `prior` to a Stable Diffusion folder, or leave it empty.")
        network = _teachable(prior)
        if spec.method == INVERSION and network is None:
            raise BadRequest(f"{prior.traits.name} cannot be given a word vector.", path="method",
                             hint="Set `method` to lora.")
        if network is not None and is_ordinary(network, spec.word):
            notes.add(f"{spec.word!r} is a word that {prior.traits.name} knows already; what it meant and what it "
                      "learns now will mix. A made-up word works better.")
        found.append(prior)
    return found


def _teachable(prior: UNetPrior) -> TeachableText | None:
    """The prior's text encoder where it can be given word vectors: those with one encoder and one table."""
    network: Any = prior.read.network()
    return network if hasattr(network, "extended") and not isinstance(prior, StableDiffusionXLPrior) else None


def _squares(pictures: list[Picture], prior: UNetPrior, framed: bool) -> Tensor:
    """(N, 3 or 4, size, size) as the prior wants to see them."""
    traits = prior.traits
    cut = traits.channels == "rgba"
    return torch.stack([one.square(traits.resolution, cut, framed)[: traits.channel_count] for one in pictures])


def _views(
    spec: LearnSpec, context: JobContext, priors: list[UNetPrior], squares: list[Tensor], seed: int, tell: Tell
) -> ViewCondition | None:
    """From where each picture looks: as came in, or as the first prior that knows cameras thinks; None if none does."""
    knowing = next((number for number, one in enumerate(priors) if one.traits.knows_camera), None)
    if knowing is None:
        return None
    prior = priors[knowing]
    if "views" in context.inputs:
        given = torch.from_numpy(np.asarray(context.inputs["views"], np.float32)).to(prior.device)
        if not bool(torch.isfinite(given).all()) or bool((given[:, 2] <= 0).any()) or len(given) != len(squares[0]):
            raise BadRequest("The views must be finite azimuth, elevation and zoom above 0, one for each picture.",
                             path="inputs.views")
        return ViewCondition.albedo(given[:, 0], given[:, 1], given[:, 2])
    text = prior.embed([_plain(spec)])
    return likeliest_views(prior, prior.encode(squares[knowing].to(prior.device)), text,
                           torch.Generator().manual_seed(seed), lambda share: tell(0.6 * share, "comparing views"))


def _kept(spec: LearnSpec, prior: UNetPrior, seed: int, tell: Tell) -> Examples | None:
    """Pictures that the prior makes of the noun alone; None where nothing is to be preserved."""
    if spec.method != LORA or spec.subject != "object" or spec.preservation == 0:
        return None
    made, views = _sampled(prior, _plain(spec), KEPT, seed,
                           lambda share: tell(share, f"remembering what {_plain(spec)} is"))
    with torch.no_grad():
        return Examples(prior.encode(made), views, (_plain(spec),))


def _stage(
    spec: LearnSpec, prior: UNetPrior, squares: Tensor, views: ViewCondition | None, kept: Examples | None, seed: int
) -> LessonStage:
    pace = PACES[spec.method, isinstance(prior, EmbeddedPrior)]
    generator = torch.Generator().manual_seed(seed)
    student: Student
    if spec.method == LORA:
        student = ChangesStudent(prior, spec.rank, generator)
    else:
        network = _teachable(prior)
        assert network is not None
        student = WordStudent(prior, network, spec.word, spec.noun, spec.vectors, generator)
    with torch.no_grad():
        x = prior.encode(squares.to(prior.device))
    own = Examples(x, views if prior.traits.knows_camera else None, _captions(spec))
    return LessonStage(
        prior, student, own, kept, batch=pace.batch, preservation=spec.preservation, steps=spec.steps or pace.steps,
        rate=spec.learning_rate or pace.rate, seed=seed,
    )


def _study(stages: list[LessonStage], saved: dict[str, Any], tell: Tell, keeper: Keeper) -> list[dict[str, float]]:
    """Runs all stages to their end, with checkpoints; mean losses of the first and the last tenth of each."""
    found = []
    for number, stage in enumerate(stages):
        if f"lesson_{number}" in saved:
            stage.load(saved[f"lesson_{number}"])
        heard: list[float] = []
        while not stage.finished:
            heard.append(stage.advance())
            tell((number + stage.share) / len(stages), f"step {stage.step} of {stage.steps}")
            if keeper.due():
                keeper.keep(**{f"lesson_{n}": one.state() for n, one in enumerate(stages[:number + 1])})
        tenth = max(1, len(heard) // 10)
        if heard:
            found.append({"first": round(float(np.mean(heard[:tenth])), 5),
                          "last": round(float(np.mean(heard[-tenth:])), 5)})
    return found


def _drawn(spec: LearnSpec, prior: UNetPrior, learned: Learned, seed: int, tell: Tell) -> Tensor:
    """(SHOWN, 3 or 4, size, size): what the prior makes of the word."""
    caption = _captions(spec)[0]
    taught = speaking(prior, {"identity_0": learned}, caption)
    return _sampled(taught, caption, SHOWN, seed, lambda share: tell(share, "drawing it"))[0]


def _sampled(
    prior: Prior, prompt: str, count: int, seed: int, tell: Callable[[float], None]
) -> tuple[Tensor, ViewCondition | None]:
    """(pictures (count, C, size, size), their views where the prior knows cameras), two at a time, so that a job can be
    cancelled between them."""
    views = ViewCondition.turntable(count, device=prior.device) if prior.traits.knows_camera else None
    made = []
    for first in range(0, count, 2):
        tell(first / count)
        some = None if views is None else views[first:first + 2]
        made.append(prior.sample([prompt] * min(2, count - first), some, KEPT_STEPS, seed + first, KEPT_SCALE))
    return torch.cat(made), views


def _plain(spec: LearnSpec) -> str:
    """The noun alone, as a caption."""
    noun = spec.noun or "thing"
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _captions(spec: LearnSpec) -> tuple[str, ...]:
    """What the pictures are called while they are learned; the first is the prompt that is shown to the user."""
    if spec.subject == "style":
        return (f"{_plain(spec)} in {spec.word} style", f"{spec.word} style")
    return f"a {spec.word} {spec.noun}", f"{spec.word} {spec.noun}", f"the {spec.word} {spec.noun}"


def _sheet(rows: list[Tensor]) -> NDArray[np.uint8]:
    """Pictures (N, 3 or 4, s, s) in rows of tiles, (H, W, 3)."""
    most = max(len(row) for row in rows)
    tiles = [torch.cat([resize(row[:, :3].float().cpu(), TILE),
                        torch.ones(most - len(row), 3, TILE, TILE)]) for row in rows]
    return to_bytes(torch.cat([torch.cat(list(row), 2) for row in tiles], 1).permute(1, 2, 0))
