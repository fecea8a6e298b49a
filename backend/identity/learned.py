# SPDX-License-Identifier: GPL-3.0-or-later
"""A learned word as a file: safetensors with everything needed to know what it is for.

Learned for one network (a Stable Diffusion folder), the file is what diffusers itself reads:
`unet.<layer>.lora_A.weight` and `lora_B.weight` for low-rank changes, one tensor named by the word for a word vector.
Learned for two (the embedded priors of both stages), the tensors of each lie behind a prefix that the metadata names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from protocol.errors import BadRequest

FORMAT = "maquette-word-1"
LORA, INVERSION = "lora", "textual_inversion"


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one network learned. prior: its name; revision: of its weights; tensors: by name, float32 on the CPU."""

    prior: str
    revision: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Learned:
    """word: as prompts say it. noun: what kind of thing it is, or "". subject: "object" or "style". method: LORA or
    INVERSION. lessons: one for each network. settings: plain values for a report."""

    word: str
    noun: str
    subject: str
    method: str
    lessons: tuple[Lesson, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def lesson_for(self, revision: str) -> Lesson | None:
        """What the network with these weights learned, or None."""
        return next((one for one in self.lessons if one.revision == revision), None)

    @property
    def priors(self) -> str:
        """Which priors it was learned with, for people."""
        return " and ".join(dict.fromkeys(one.prior for one in self.lessons))

    def to_bytes(self) -> NDArray[np.uint8]:
        """The file, (n,) uint8."""
        prefixes = [""] if len(self.lessons) == 1 else [f"{number}." for number in range(len(self.lessons))]
        tensors = {prefix + name: tensor.detach().float().cpu().contiguous()
                   for prefix, lesson in zip(prefixes, self.lessons, strict=True)
                   for name, tensor in lesson.tensors.items()}
        metadata = {
            "format": FORMAT,
            "word": self.word,
            "noun": self.noun,
            "subject": self.subject,
            "method": self.method,
            "priors": json.dumps([{"prior": lesson.prior, "revision": lesson.revision, "prefix": prefix}
                                  for prefix, lesson in zip(prefixes, self.lessons, strict=True)]),
            "settings": json.dumps(self.settings, sort_keys=True),
            "sha256": digest(tensors),
        }
        return np.frombuffer(_in_order(save(tensors, metadata)), np.uint8)


def _in_order(file: bytes) -> bytes:
    """The same safetensors file with its header sorted: the library writes metadata in an order of chance."""
    length = int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[8 + length:]


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names and values, in the order of the names."""
    result = hashlib.sha256()
    for name in sorted(tensors):
        result.update(name.encode() + b"\0" + tensors[name].numpy().tobytes())
    return result.hexdigest()


def read_learned(content: NDArray[np.uint8], path: str = "inputs.identity_0") -> Learned:
    """Reads such a file. Raises BadRequest, naming `path`, for anything else and for a damaged one."""
    data = np.asarray(content, np.uint8).tobytes()
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8:8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, OverflowError) as problem:
        raise BadRequest(f"The learned word can't be read: it is not a safetensors file ({problem}).", path=path,
                         hint="Use the file as a learn job gave it.") from problem
    if metadata.get("format") != FORMAT:
        raise BadRequest("This safetensors file is not a word that Maquette learned.", path=path,
                         hint="Use the file as a learn job gave it; files of other programs do not say for which prior "
                              "they are.")
    try:
        parts = json.loads(metadata["priors"])
        lessons = tuple(
            Lesson(one["prior"], one["revision"],
                   {name[len(one["prefix"]):]: tensor for name, tensor in tensors.items()
                    if name.startswith(one["prefix"])})
            for one in parts
        )
        learned = Learned(metadata["word"], metadata["noun"], metadata["subject"], metadata["method"], lessons,
                          json.loads(metadata["settings"]))
        whole = metadata["sha256"] == digest(tensors) and learned.method in (LORA, INVERSION)
    except (KeyError, TypeError, ValueError) as problem:
        raise BadRequest(f"The learned word is damaged: {problem!r}.", path=path, hint="Learn it again.") from problem
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    if not whole or not finite or not all(lesson.tensors for lesson in lessons):
        raise BadRequest("The learned word is damaged: its content is not what was written.", path=path,
                         hint="Copy the file again, or learn it again.")
    return learned
