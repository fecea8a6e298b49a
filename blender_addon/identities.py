# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that were learned: one safetensors file each in the user's folder, and which of them a prompt speaks.

The file's own header says what the word stands for and with which prior it can be used.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import __package__ as base_package
from . import compat

ENDING = ".safetensors"
MAX_HEADER = 1 << 20
WORD = re.compile(r"[a-z][a-z0-9_-]*")
AT_ONCE = 4
"""How many words one prompt may speak (`base.IDENTITIES` of the protocol's specs)."""


class BrokenIdentity(ValueError):
    """The bytes are no learned word; the text says why."""


@dataclass(frozen=True)
class Identity:
    """word: as prompts say it. noun: what kind of thing it is. prior: of whom it was learned. method: how it was."""

    word: str
    path: Path
    noun: str = ""
    prior: str = ""
    method: str = ""


def read(path: Path) -> Identity:
    """What a file's header says. Raises BrokenIdentity."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MAX_HEADER:
                raise BrokenIdentity("it is no safetensors file")
            facts = json.loads(file.read(size)).get("__metadata__", {})
    except (OSError, ValueError, AttributeError) as error:
        raise BrokenIdentity(f"it cannot be read: {error}") from error
    word = str(facts.get("word", "")) if isinstance(facts, dict) else ""
    if not WORD.fullmatch(word):
        raise BrokenIdentity("it does not say which word it is")
    return Identity(word, path, str(facts.get("noun", "")), _priors(facts.get("priors")), str(facts.get("method", "")))


def _priors(text: Any) -> str:
    """The names of the priors that a word was learned with."""
    try:
        names = [str(one["prior"]) for one in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return ""
    return " and ".join(dict.fromkeys(names))


@dataclass(frozen=True)
class Identities:
    """The folder of them."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def all(self) -> list[Identity]:
        """By their words; a file that cannot be read is left out."""
        return list(_listed(self.folder, self.folder.stat().st_mtime_ns))  # a panel asks with every drawing

    def get(self, word: str) -> Identity | None:
        return next((one for one in self.all() if one.word == word), None)

    def keep(self, data: bytes) -> Identity:
        """Write a learned word down, over an older one of the same word. Raises BrokenIdentity, OSError."""
        temporary = self.folder / "new.part"
        temporary.write_bytes(data)
        try:
            found = read(temporary)
        except BrokenIdentity:
            temporary.unlink()
            raise
        path = self.folder / f"{found.word}{ENDING}"
        temporary.replace(path)
        return read(path)

    def drop(self, word: str) -> None:
        """Forget a word."""
        (self.folder / f"{word}{ENDING}").unlink(missing_ok=True)

    def spoken(self, *sentences: str) -> list[Identity]:
        """Those whose word one of the sentences says, in the order in which they come up."""
        text = " ".join(sentences)
        found = [(said.start(), one) for one in self.all() if (said := _whole(one.word).search(text))]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def inputs(self, spec: Any) -> dict[str, np.ndarray]:
        """identity_0, identity_1, ...: the learned words that a job's prompt speaks, where its kind takes any."""
        if not any(one.name == "identity_0" for one in spec.INPUTS):
            return {}
        spoken = self.spoken(str(getattr(spec, "prompt", "")))[:AT_ONCE]
        return {f"identity_{at}": np.frombuffer(one.path.read_bytes(), np.uint8) for at, one in enumerate(spoken)}


def _whole(word: str) -> re.Pattern[str]:
    """Finds a word where it stands by itself, as the worker does."""
    return re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)


@functools.lru_cache(maxsize=4)
def _listed(folder: Path, stamp: int) -> tuple[Identity, ...]:
    """What lies in a folder; stamp: of its last change."""
    found = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            found.append(read(path))
        except BrokenIdentity:
            continue
    return tuple(found)


def mine() -> Identities:
    """Those of the user's folder."""
    return Identities(compat.user_folder(base_package, "identities"))


def with_words(known: Identities, spec: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A job's inputs, with the learned words that its prompt speaks where nobody has put any in."""
    if any(name.startswith("identity_") for name in inputs):
        return dict(inputs)
    return {**inputs, **known.inputs(spec)}
