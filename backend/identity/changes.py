# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank changes of a prior's attention (Hu et al. 2021), as DreamBooth training and its users need them.

A network is never altered: while it speaks with changes, hooks add what they say, and afterwards it is what it was, so
that one loaded prior serves jobs with and without them. Names are those of peft, which diffusers' loaders read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from backend.distillation.variational import ATTENTION_LAYERS, LowRank

DOWN, UP = "lora_A.weight", "lora_B.weight"


def attention_layers(unet: Any) -> dict[str, nn.Linear]:
    """The linear layers that changes are made of, by name."""
    return {name: layer for name, layer in unet.named_modules()
            if isinstance(layer, nn.Linear) and name.endswith(ATTENTION_LAYERS)}


class Changes(nn.Module):
    """Changes of all attention layers of one network; silent in the beginning.

    Args:
        unet: a diffusers UNet; kept, not owned. Raises ValueError when it has no attention.
        rank: 1 or more.
        generator: draws the first weights.
    """

    def __init__(self, unet: Any, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        layers = attention_layers(unet)
        if not layers:
            raise ValueError("the network has no attention layers that could learn")
        self._layers = [*layers.values()]
        self._names = [*layers]
        self.changes = nn.ModuleList([LowRank(layer, rank, generator) for layer in self._layers])

    @classmethod
    def of(cls, unet: Any, tensors: Mapping[str, Tensor]) -> Changes:
        """From the tensors of a file. Raises ValueError unless they fit the network's layers one for one."""
        layers = attention_layers(unet)
        wanted = {f"unet.{name}.{end}" for name in layers for end in (DOWN, UP)}
        if set(tensors) != wanted:
            raise ValueError(f"{len(wanted ^ set(tensors))} of {len(wanted)} tensors do not fit")
        rank = len(next(tensor for name, tensor in tensors.items() if name.endswith(DOWN)))
        made = cls(unet, rank, torch.Generator().manual_seed(0))
        with torch.no_grad():
            for name, change in zip(made._names, made.changes, strict=True):
                for end, parameter in ((DOWN, change.down), (UP, change.up)):
                    tensor = tensors[f"unet.{name}.{end}"]
                    if tensor.shape != parameter.shape:
                        raise ValueError(f"{name} is {tuple(tensor.shape)}, expected {tuple(parameter.shape)}")
                    parameter.copy_(tensor)
        return made.requires_grad_(False)

    def tensors(self) -> dict[str, Tensor]:
        """All weights by the names of a file, copied to the CPU."""
        return {f"unet.{name}.{end}": parameter.detach().cpu().clone()
                for name, change in zip(self._names, self.changes, strict=True)
                for end, parameter in ((DOWN, change.down), (UP, change.up))}

    @contextmanager
    def speaking(self, scale: float = 1.0) -> Iterator[None]:
        """While it lasts the network answers with `scale` times these changes; at 0 exactly as without."""
        handles = [] if scale == 0 else [
            layer.register_forward_hook(
                lambda _, inputs, output, change=change: output + (scale * change(inputs[0])).to(output.dtype)
            )
            for layer, change in zip(self._layers, self.changes, strict=True)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class ChangedUNet:
    """A UNet that speaks with changes whenever it is called, and is the unchanged one in all other respects."""

    def __init__(self, unet: Any, changes: Sequence[Changes], scale: float) -> None:
        self._unet, self._changes, self._scale = unet, tuple(changes), scale

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._answer(self._changes, inputs, named)

    def _answer(self, left: Sequence[Changes], inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if not left:
            return self._unet(*inputs, **named)
        with left[0].speaking(self._scale):
            return self._answer(left[1:], inputs, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # copying must not reach through
        return getattr(self._unet, name)
