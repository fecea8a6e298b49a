# SPDX-License-Identifier: GPL-3.0-or-later
"""The first thing every recipe does: load the priors, read the prompt in their languages, note what the user should
know about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs
import torch

from backend.identity.speaking import learned_words, silent, speaking
from backend.identity.style import styled
from backend.jobs.choir import show_picture
from backend.jobs.context import JobContext
from backend.jobs.guide import Voice
from backend.jobs.memory import MemoryPlan
from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.codecs import LatentCodec
from backend.priors.embedded import EmbeddedPrior, sentence_encoder
from backend.priors.known import in_known_words, nearest_known
from backend.priors.known_models import Role
from backend.priors.multiview import NovelViewPrior
from backend.priors.parking import Garage
from backend.priors.prompts import PromptBook
from backend.priors.several import BETWEEN, parts_of
from protocol.errors import BadRequest
from protocol.specs import GeneratingSpec

GARAGE = "garage"  # of a job whose priors take turns on the device, among what a worker keeps between jobs


class Notes:
    """Warnings and what is known of the prompt, collected for the report."""

    def __init__(self, context: JobContext):
        self._context = context
        self.warnings: list[str] = []
        self.nearest_known: dict[str, Any] | None = None
        self.memory: dict[str, Any] | None = None

    def planned(self, plan: MemoryPlan) -> MemoryPlan:
        """The plan, after the user was told what gives way."""
        self.memory = plan.to_map()
        if plan.sentence():
            self.add(plan.sentence())
        return plan

    def add(self, text: str) -> None:
        self.warnings.append(text)
        self._context.warn(text)


def read_prompt(
    prompt: str, negative_prompt: str, prior: str, context: JobContext, notes: Notes,
    spec: GeneratingSpec | None = None, plan: MemoryPlan | None = None, several: bool = False, paints: bool = False,
) -> tuple[Voice, Voice]:
    """The prior of each stage with the prompt read: (coarse, fine). They may be one and the same.

    They understand the learned words that came in with the job and keep to the style of its picture, as strongly as
    `spec` says (as they are, without one). plan: how they are to share the device's memory. paints: they are to paint
    a shape that stands, for which an embedded prior may have a part of its own.
    """
    roles: tuple[Role, Role] = ("coarse", "fine")
    if paints and catalog.has_painter(prior) and _wants_painter(prompt, context):
        roles = ("paint", "paint")
    take_turns(context, plan is not None and plan.parked)
    broad, sharp = (load_prior(prior, role, context) for role in roles)
    for one in (broad, sharp):
        arrange(one, plan, context)
    broad, sharp = taught((broad, sharp), prior, prompt, negative_prompt, context, notes, spec, roles)
    texts = {True: (prompt, negative_prompt), False: (prompt, negative_prompt)}  # as the embedded prior reads, others
    if isinstance(broad, EmbeddedPrior):
        encoder = sentence_encoder(cache_folder())
        keep = [one.word for one in learned_words(context.inputs).values()]
        read = in_known_words(prompt, encoder, keep)
        texts[True] = read, in_known_words(negative_prompt, encoder, keep)
        known = nearest_known(read, encoder)
        notes.nearest_known = known.to_map()
        if read != prompt:
            notes.nearest_known["read_as"] = read
            notes.add(f"The embedded prior reads this as: {read}")
        if doubt := known.doubt(spec.kind if spec is not None else ""):
            notes.add(doubt)
    first = Voice(broad, PromptBook(broad, *texts[isinstance(broad, EmbeddedPrior)]))
    second = first if sharp is broad else Voice(sharp, PromptBook(sharp, *texts[isinstance(sharp, EmbeddedPrior)]))
    if several:
        second_same = second is first and catalog.of_role(prior, "coarse") == catalog.of_role(prior, "fine")
        first = accompanied(first, prior, "coarse", (prompt, negative_prompt), context, plan)
        second = first if second_same else accompanied(second, prior, "fine", (prompt, negative_prompt), context, plan)
    elif BETWEEN in prior:
        notes.add(f"Of the priors in {prior!r} only the first is asked: painting follows one.")
    if plan is not None and not plan.keep_text:
        for voice in (first, second, *first.others, *second.others):
            voice.prior.release_text()
    return first, second


def _wants_painter(prompt: str, context: JobContext) -> bool:
    """Whether the embedded painting prior is the better one: it paints shapes of kinds that nobody taught, and knows
    no learned words. [ours] Of a kind that they know (a mushroom), the other two draw cleaner spots."""
    if learned_words(context.inputs):
        return False
    encoder = sentence_encoder(cache_folder())
    return not nearest_known(in_known_words(prompt, encoder), encoder).named


def accompanied(
    voice: Voice, setting: str, role: Role, texts: tuple[str, str], context: JobContext, plan: MemoryPlan | None
) -> Voice:
    """The voice with those that the setting names beside it for this stage, as they were loaded, and their weights.

    texts: prompt and negative prompt. Raises BadRequest where words that were learned or a style would reach only one.
    """
    lead, *others = parts_of(catalog.of_role(setting, role))
    if not others:
        return replace(voice, weight=lead.weight)
    if learned_words(context.inputs) or "style_picture" in context.inputs:
        raise BadRequest("Learned words and a picture of a style reach one prior, and `prior` names several.",
                         path="prior", hint="Name one prior, or leave the words and the picture out.")
    made = []
    for one in others:
        prior = load_prior(one.name, role, context)
        arrange(prior, plan, context)
        # One that goes on from a picture reads no text: "" and anything else is all that it tells apart.
        negative = "" if isinstance(prior, NovelViewPrior) else texts[1]
        made.append(Voice(prior, PromptBook(prior, texts[0], negative), one.weight))
    return replace(voice, weight=lead.weight, others=tuple(made))


def taught(
    priors: tuple[Prior, Prior], setting: str, prompt: str, negative_prompt: str, context: JobContext, notes: Notes,
    spec: GeneratingSpec | None = None, roles: tuple[Role, Role] = ("coarse", "fine"),
) -> tuple[Prior, Prior]:
    """Both stages' priors with the learned words that the prompt says and in the style of the job's picture; one that
    serves both goes on doing so. Raises BadRequest for a word or a picture that a prior cannot take."""
    words = learned_words(context.inputs)
    for word in silent(words, prompt):
        notes.add(f"The prompt does not say the learned word {word!r}, so it has no effect.")
    made: list[Prior] = []
    for prior, role in zip(priors, roles, strict=True):
        if made and prior is priors[0]:
            return made[0], made[0]
        inks = styled(prior, catalog.locate(setting, role), context.inputs, 1.0 if spec is None else spec.style_scale,
                      (negative_prompt, ""))
        made.append(speaking(inks, words, prompt, 1.0 if spec is None else spec.identity_scale))
    return made[0], made[1]


def load_prior(name: str, role: Role, context: JobContext) -> Prior:
    """From the worker's cache, or loaded; one folder that serves both stages is loaded once."""
    control = catalog.split_control(catalog.for_role(name, role))[1]
    key = f"prior {catalog.locate(name, role)} {control} {context.device}"
    if key not in context.cache:
        context.cache[key] = catalog.load(name, role, context.device, cache_folder=cache_folder())
    prior: Prior = context.cache[key]
    show_picture(prior, context.inputs)
    if GARAGE in context.cache:
        context.cache[GARAGE].add(prior)
    return catalog.for_stage(prior, role)


def take_turns(context: JobContext, parked: bool) -> None:
    """Whether priors that are loaded from now on lie on the device by turns. Those that did in an earlier job, and
    shall no more, are loaded anew where they are wanted: together they may not fit."""
    garage = context.cache.get(GARAGE)
    if parked and garage is None:
        context.cache[GARAGE] = Garage(context.device)
    elif not parked and garage is not None:
        del context.cache[GARAGE]
        for key in [key for key, one in context.cache.items() if isinstance(one, Prior) and one in garage]:
            del context.cache[key]


def arrange(prior: Prior, plan: MemoryPlan | None, context: JobContext) -> None:
    """The prior does as the plan says with the device's memory; as it likes, without one."""
    prior.texts_apart = plan is not None and plan.texts_apart
    prior.read_text_on(torch.device("cpu") if plan is not None and not plan.text_on_device else context.device)
    codec = getattr(prior, "codec", None)
    if isinstance(codec, LatentCodec):
        codec.at_once = 0 if plan is None else plan.pictures_at_once


def cache_folder() -> Path:
    """Where results of slow checks are kept between processes; safe to delete."""
    return platformdirs.user_cache_path("maquette")
