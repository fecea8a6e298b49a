# SPDX-License-Identifier: GPL-3.0-or-later
"""Several priors on a device that has room for one: only the one that is asked lies there, the others wait outside.

Networks of priors never change, so nothing is carried back: the host keeps a copy of every weight in pinned memory, and
a prior that is asked has it sent while its predecessor's is let go. Whoever calls a network or a part of it need not
know: the garage notices by hooks, for as long as the prior lives. (So no copy of a parked network works.) Between the
stages of a job that costs a moment once; within a step, the weights over the bus each time (2 GB: about 40 ms over
PCIe 5).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from backend.priors.base import Prior
from backend.priors.network_prior import NetworkPrior


class Garage:
    """Priors that take turns on a device.

    Attributes:
        moves: how often weights were sent there.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.moves = 0
        self._places: dict[int, _Place] = {}
        self._out: _Place | None = None  # who is on the device

    def __len__(self) -> int:
        return len(self._places)

    def add(self, prior: Prior) -> None:
        """Parks a prior; one that is here already, at this or another picture size, stays as it is. Priors without
        networks of their own are left alone."""
        if not isinstance(prior, NetworkPrior) or prior in self:
            return
        beside = (getattr(prior.codec, "vae", None), getattr(getattr(prior, "control", None), "network", None))
        networks = [prior.backbone, *(one for one in beside if one is not None)]
        self._places[id(prior.backbone)] = _Place(self, networks)

    def __contains__(self, prior: object) -> bool:
        return isinstance(prior, NetworkPrior) and id(prior.backbone) in self._places

    def wake(self, place: _Place) -> None:
        """This one is about to be asked."""
        if self._out is place:
            return
        if self._out is not None:
            self._out.leave()
        place.fetch()
        self.moves += 1
        self._out = place


class _Place:
    """The networks of a prior, parked."""

    def __init__(self, garage: Garage, networks: list[Any]) -> None:
        self._garage = garage
        self._slots: list[tuple[dict[str, Any], str, Tensor]] = []
        near: dict[int, Tensor] = {}  # tied weights are kept once
        for network in networks:
            for module in network.modules():
                for table in (module._parameters, module._buffers):
                    for name, weight in table.items():
                        if weight is not None:
                            if id(weight) not in near:
                                near[id(weight)] = _kept(weight.detach())
                            self._slots.append((table, name, near[id(weight)]))
        # A VAE is not called itself: its encoder and decoder are.
        doors = [one for network in networks for one in (network, *network.children())]
        for one in doors:
            one.register_forward_pre_hook(lambda *_: garage.wake(self))
        self.leave()

    def fetch(self) -> None:
        """To the device."""
        there: dict[int, Tensor] = {}
        for table, name, near in self._slots:
            if id(near) not in there:
                there[id(near)] = near.to(self._garage.device, non_blocking=True)
            table[name] = _like(table[name], there[id(near)])

    def leave(self) -> None:
        """Off the device; what was queued there before still finds its weights."""
        for table, name, near in self._slots:
            table[name] = _like(table[name], near)


def _kept(weight: Tensor) -> Tensor:
    """A copy on the host from which a GPU can read by itself."""
    near = weight.to("cpu")
    return near.pin_memory() if weight.device.type == "cuda" else near


def _like(old: Tensor, values: Tensor) -> Tensor:
    return nn.Parameter(values, requires_grad=False) if isinstance(old, nn.Parameter) else values
