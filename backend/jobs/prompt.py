# SPDX-License-Identifier: GPL-3.0-or-later
"""The first thing every recipe does: load the priors, read the prompt in their languages, note what the user should
know about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs

from backend.jobs.context import JobContext
from backend.jobs.guide import Voice
from backend.priors import catalog
from backend.priors.base import Prior
from backend.priors.embedded import EmbeddedPrior, sentence_encoder
from backend.priors.known import nearest_known
from backend.priors.known_models import Role
from backend.priors.prompts import PromptBook


class Notes:
    """Warnings and what is known of the prompt, collected for the report."""

    def __init__(self, context: JobContext):
        self._context = context
        self.warnings: list[str] = []
        self.nearest_known: dict[str, Any] | None = None

    def add(self, text: str) -> None:
        self.warnings.append(text)
        self._context.warn(text)


def read_prompt(
    prompt: str, negative_prompt: str, prior: str, context: JobContext, notes: Notes
) -> tuple[Voice, Voice]:
    """The prior of each stage with the prompt read: (coarse, fine). They may be one and the same."""
    broad = load_prior(prior, "coarse", context)
    sharp = load_prior(prior, "fine", context)
    if isinstance(broad, EmbeddedPrior):
        known = nearest_known(prompt, sentence_encoder(cache_folder()))
        notes.nearest_known = known.to_map()
        if not known.sure:
            notes.add(known.sentence())
    first = Voice(broad, PromptBook(broad, prompt, negative_prompt))
    return first, first if sharp is broad else Voice(sharp, PromptBook(sharp, prompt, negative_prompt))


def load_prior(name: str, role: Role, context: JobContext) -> Prior:
    """From the worker's cache, or loaded; one folder that serves both stages is loaded once."""
    key = f"prior {catalog.locate(name, role)} {context.device}"
    if key not in context.cache:
        context.cache[key] = catalog.load(name, role, context.device, cache_folder=cache_folder())
    prior: Prior = context.cache[key]
    return prior


def cache_folder() -> Path:
    """Where results of slow checks are kept between processes; safe to delete."""
    return platformdirs.user_cache_path("maquette")
