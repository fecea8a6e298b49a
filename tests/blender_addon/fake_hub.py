# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub that plays a script, as a process of its own: real sockets and frames, no queue and no worker.

    python fake_hub.py DATA_FOLDER ARRAYS.npz

The prompt of a job chooses what happens to it:
    ball     progress, two previews, a result        broken   a result whose texture is cut off
    unknown  a result with nearest_known, a warning  fail     fails with advice
    wait     works until it is cancelled             refuse   the submission is refused
    slow ...  as `ball`, but takes a second          queued   waits behind four others

Jobs of a kind that has a file KIND.npz beside ARRAYS.npz end with that at once, with the report in its array `report`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from protocol import arrays as wire_arrays
from protocol import errors, framing, local
from protocol import messages as say

SECRET = "ab" * 32


class FakeHub:
    def __init__(self, folder: Path, result: dict[str, np.ndarray], others: Path) -> None:
        self.result, self.others = result, others
        self.socket = zmq.Context().socket(zmq.ROUTER)
        self.socket.linger = 0
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        address = f"tcp://127.0.0.1:{port}"
        self.blobs: dict[bytes, memoryview] = {}
        self.specs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[say.Event]] = defaultdict(list)
        self.watchers: dict[str, bytes] = {}
        local.write_connection_file(folder, local.ConnectionInfo(address, address, SECRET, 1, os.getpid(), "fake"))

    def send(self, to: bytes, message: Any, re: bytes = b"") -> None:
        self.socket.send_multipart([to, *framing.encode(message.to_envelope(re=re))])

    def serve(self) -> None:
        while True:
            routing, *frames = self.socket.recv_multipart()
            envelope = framing.decode(frames)
            self.answer(routing, say.read(envelope, say.CLIENT_TO_HUB), envelope.id)

    def answer(self, to: bytes, message: Any, re: bytes) -> None:
        if isinstance(message, say.Hello):
            if message.token != bytes.fromhex(SECRET):
                self.send(to, say.Rejected(errors.NotAllowed("Wrong key.", hint="Pair again.")), re)
            else:
                self.send(to, say.Welcome(1, "fake", b"session", 1), re)
        elif isinstance(message, say.Submit):
            self.submit(to, message, re)
        elif isinstance(message, say.Watch):
            self.watchers[message.job] = to
            self.send(to, say.Jobs(()), re)
            for event in self.events[message.job]:
                if event.seq > message.after_seq:
                    self.send(to, event)
            if not self.events[message.job]:
                self.play(message.job)
        elif isinstance(message, say.Cancel):
            self.send(to, say.Jobs(()), re)
            self.event(message.job, state="CANCELLED", error=errors.Cancelled())
        elif isinstance(message, say.BlobGet):
            data = self.blobs[message.hash]
            for begin in range(message.offset, len(data), wire_arrays.FRAME_BYTES):
                part = data[begin : begin + wire_arrays.FRAME_BYTES]
                chunk = say.Chunk(message.stream, message.hash, begin, len(data), (part,), crc=zlib.crc32(part))
                self.send(to, chunk)
        elif isinstance(message, say.List):
            waiting = [job for job, spec in self.specs.items() if spec["prompt"] == "queued"]
            lines = [say.JobSummary(job, "text_to_3d", "queued", "QUEUED", 1, 1, 1.0, ahead=4) for job in waiting]
            self.send(to, say.Jobs(tuple(lines)), re)
        elif isinstance(message, say.Ping):
            self.send(to, say.Pong(), re)

    def submit(self, to: bytes, message: say.Submit, re: bytes) -> None:
        job = message.submit_key.hex()
        if message.spec.get("prompt") == "refuse":
            self.send(to, say.Rejected(errors.QuotaExceeded("Twenty jobs are queued.", hint="Wait for one.")), re)
            return
        self.specs[job] = {"prompt": "", "seed": None, "preset": "", **message.spec, "kind": message.kind}
        self.send(to, say.Accepted(job), re)

    def event(self, job: str, **fields: Any) -> None:
        event = say.Event(job, len(self.events[job]) + 1, fields.pop("kind", "state"), **fields)
        self.events[job].append(event)
        self.send(self.watchers[job], event)

    def play(self, job: str) -> None:
        spec = self.specs[job]
        prompt = spec["prompt"]
        if prompt == "queued":
            self.event(job, state="QUEUED", attempt=1)
            return
        for state in ("QUEUED", "LEASED", "RUNNING"):
            self.event(job, state=state, attempt=1)
        other = self.others / f"{spec['kind']}.npz"
        if other.exists():
            with np.load(other) as stored:
                self.finish(job, dict(stored))
            return
        self.progress(job, 1, "coarse", 0.25, 30.0)
        if prompt == "wait":
            self.picture(job)
            return
        if prompt == "fail":
            error = errors.EmptySurface("The field has no surface.", hint="Try another seed.", stage="carry over")
            self.event(job, state="FAILED", error=error)
            return
        self.preview(job, 1, 0.5)
        time.sleep(1.0 if prompt.startswith("slow") else 0.2)
        self.preview(job, 2, 1.0)
        time.sleep(0.2)
        if prompt == "unknown":
            self.event(job, kind="warning", text="The prompt names something this prior has not seen.")
        self.succeed(job, spec)

    def progress(self, job: str, counter: int, stage: str, fraction: float, left: float) -> None:
        self.send(
            self.watchers[job],
            say.Ephemeral(job, 3, counter, "progress", stage, fraction, "step 1", left),
        )

    def preview(self, job: str, counter: int, scale: float) -> None:
        vertices = self.result["vertices"] * np.float32(scale)
        colours = np.full((len(vertices), 4), (200, 10, 10, 255), dtype=np.uint8)
        described, payload = wire_arrays.inline(
            {"vertices": vertices, "faces": self.result["faces"], "colours": colours}
        )
        self.send(
            self.watchers[job],
            say.Ephemeral(job, 3, counter, "preview_mesh", "coarse", 0.5, arrays=described, payload=payload),
        )

    def picture(self, job: str) -> None:
        described, payload = wire_arrays.inline({"image": self.result["base_colour"]})
        self.send(
            self.watchers[job],
            say.Ephemeral(job, 3, 1, "preview_image", "coarse", 0.5, arrays=described, payload=payload),
        )

    def succeed(self, job: str, spec: dict[str, Any]) -> None:
        report: dict[str, Any] = {"seed": spec["seed"], "preset": spec["preset"], "prior": {"coarse": "a", "fine": "b"}}
        arrays = dict(self.result)
        if spec["prompt"] == "unknown":
            report["nearest_known"] = {"kind": "mushroom", "alternatives": ["lamp"], "sure": False}
        if spec["prompt"] == "broken":
            arrays["base_colour"] = arrays["base_colour"][:-30]
        arrays["report"] = np.frombuffer(json.dumps(report).encode(), dtype=np.uint8)
        self.finish(job, arrays)

    def finish(self, job: str, arrays: dict[str, np.ndarray]) -> None:
        described = []
        for name, array in arrays.items():
            one, data = wire_arrays.describe(name, array)
            self.blobs[one.hash] = data
            described.append(one)
        self.event(job, state="SUCCEEDED", arrays=tuple(described))


if __name__ == "__main__":
    with np.load(sys.argv[2]) as stored:
        FakeHub(Path(sys.argv[1]), dict(stored), Path(sys.argv[2]).parent).serve()
