# SPDX-License-Identifier: GPL-3.0-or-later
"""From a hub id to a folder: the local cache first, the network only when the caller allows it."""

from __future__ import annotations

import re
from pathlib import Path

from backend.priors.known_models import find
from backend.priors.loading import CHOOSE, quiet
from protocol.errors import PriorNotFound

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?$")


def is_hub_id(text: str) -> bool:
    """Whether a setting looks like owner/name or owner/name@revision."""
    return HUB_ID.match(text) is not None


def folder_of(model_id: str, online: bool) -> Path:
    """The folder of a hub model in the local cache, downloaded first if that is allowed and needed.

    Args:
        model_id: owner/name, optionally with @revision.
        online: whether the network may be used.

    Raises:
        PriorNotFound: not in the cache and not to be had, with the reason and what to do.
    """
    name, _, revision = model_id.partition("@")
    cached = _cached(name, revision or None)
    if cached is not None:
        return cached
    known = find(name)
    what = "" if known is None else f" {known.describe()}."
    if known is not None and known.moved_to:
        mirror = find(known.moved_to)
        raise PriorNotFound(
            f"{name} is no longer on the hub: {known.note}",
            hint=f"Set `prior` to {mirror.describe() if mirror else known.moved_to}, or to a folder with a copy of it.",
        )
    if not online:
        raise PriorNotFound(
            f"{model_id} is not in the local model cache, and this worker may not use the network.{what}",
            hint=f"Download it once on this machine (`hf download {name}`), or allow downloads, or set `prior` to a "
                 "folder that holds it. An empty `prior` takes the embedded one.",
        )
    return _download(name, revision or None, what)


def _cached(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "model_index.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _download(name: str, revision: str | None, what: str) -> Path:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    with quiet():
        from diffusers import DiffusionPipeline

        try:
            try:
                return Path(DiffusionPipeline.download(name, revision=revision, use_safetensors=True, variant="fp16"))
            except ValueError:  # no such variant: take the full one
                return Path(DiffusionPipeline.download(name, revision=revision, use_safetensors=True))
        except GatedRepoError as error:
            reason, advice = "it wants a login", f"accept the licence at its page, then run `hf auth login` ({error})"
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            reason, advice = "the hub has no such model", f"check the id in `prior` ({_short(error)})"
        except (HfHubHTTPError, OSError, ValueError) as error:
            reason, advice = "the download failed", f"check the connection and try again ({_short(error)})"
    raise PriorNotFound(f"{name} could not be downloaded: {reason}.{what}", hint=f"To use it, {advice}. {CHOOSE}")


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
