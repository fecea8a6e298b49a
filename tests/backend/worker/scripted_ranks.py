# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe for several ranks that does what its prompt says: `steps=50 delay=0.05 crash_rank=1`.

Each step adds up one number over the ranks. crash_rank=N: that rank kills itself half-way in the first attempt.
"""

from __future__ import annotations

import os
import signal
import time

import torch
from scripted_jobs import MeshResult, mesh


def most_ranks(spec):
    return 4


def run(spec, context):
    options = dict(word.split("=", 1) for word in spec.prompt.split() if "=" in word)
    steps = int(options.get("steps", 10))
    ranks = context.ranks
    begin = (context.load_checkpoint() or {"step": 0})["step"]
    total = torch.zeros((), requires_grad=True)
    for number in range(begin, steps):
        context.check()
        context.progress("adding", number / steps, "", 1.0)
        total.grad = torch.tensor(float(ranks.rank + 1))
        ranks.sum_gradients([total])
        if number == steps // 2 and begin == 0 and ranks.rank == int(options.get("crash_rank", -1)):
            os.kill(os.getpid(), signal.SIGKILL)
        if ranks.first:
            context.save_checkpoint({"step": number})
        time.sleep(float(options.get("delay", 0.05)))
    arrays = mesh(30, 0)
    corners = torch.zeros(3 * len(arrays["faces"]), 2).numpy()
    picture = torch.zeros(10, dtype=torch.uint8).numpy()
    arrays |= {"uvs": corners, "normals": arrays["vertices"], "base_colour": picture, "thumbnail": picture}
    report = {"sum": float(total.grad), "ranks": ranks.world, "begin": begin, "pid": os.getpid()}
    return MeshResult(arrays if ranks.first else {}, report)
