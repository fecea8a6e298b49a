# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub's numbers for Prometheus: text format 0.0.4 over HTTP, at /metrics.

The hub's loop renders the text every few seconds; a thread of its own answers scrapers with the newest one, so a slow
scraper costs the hub nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from backend.hub.report import Report
from protocol.errors import BadRequest

log = logging.getLogger("maquette.hub")

EVERY_SECONDS = 5.0  # between two renderings
SCRAPER_SECONDS = 5.0  # a scraper that is slower is cut off
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


class MetricsServer:
    """Serves the newest text. port: 0 for any free one. Raises BadRequest when the port is taken."""

    def __init__(self, report: Report, host: str, port: int, clock: Callable[[], float]) -> None:
        self._report = report
        self._clock = clock
        self._due = clock()
        self.text = b""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = SCRAPER_SECONDS

            def do_GET(self) -> None:
                if self.path.split("?")[0] != "/metrics":
                    self.send_error(404, "only /metrics is here")
                    return
                body = owner.text
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:
                log.debug("metrics: " + format, *values)

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as problem:
            raise BadRequest(
                f"Port {port} on {host} cannot be used for metrics ({problem}).", path="metrics_port",
                hint="Choose another with --metrics-port.",
            ) from problem
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def tick(self) -> None:
        """Render anew when it is time; called by the hub's loop, which owns the report."""
        if self._clock() >= self._due:
            self._due = self._clock() + EVERY_SECONDS
            self.text = render(self._report)

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


def render(report: Report) -> bytes:
    """Everything that a graph or an alarm may need, from the report."""
    hub, users, workers = report.hub(), report.users(), report.workers()
    lines: list[str] = []

    def add(name: str, kind: str, help: str, samples: Iterable[Sample]) -> None:
        found = list(samples)
        if found:
            lines.extend((f"# HELP maquette_{name} {help}", f"# TYPE maquette_{name} {kind}"))
            lines.extend(f"maquette_{name}{_labels(labels)} {float(value)!r}" for labels, value in found)

    def one(value: float) -> list[Sample]:
        return [({}, value)]

    add("info", "gauge", "The hub's version.", [({"version": hub["version"]}, 1.0)])
    add("uptime_seconds", "gauge", "Since this hub was started.", one(hub["seconds"]))
    add("draining", "gauge", "1 while the hub stops.", one(hub["draining"]))
    add("clients", "gauge", "Connected clients.", one(hub["clients"]))
    add("jobs", "gauge", "Jobs in the store by state.", [({"state": k}, n) for k, n in sorted(hub["jobs"].items())])
    add("queue_jobs", "gauge", "Jobs that wait for a device, by class of priority.",
        [({"priority": k}, n) for k, n in hub["waiting"].items()])
    add("jobs_ended_total", "counter", "Jobs that ended since the start, by final state.",
        [({"state": k}, n) for k, n in sorted(report.ended.items())])
    add("stored_bytes", "gauge", "Bytes of all blobs.", one(hub["stored_bytes"]))
    add("disk_free_bytes", "gauge", "Bytes free on the disk of the blobs.", one(hub["free_bytes"]))
    add("disk_room", "gauge", "0 while the disk is too full to start jobs.", one(hub["room"]))
    add("collected_bytes_total", "counter", "Bytes of old blobs removed since the start.", one(hub["collected_bytes"]))
    for name, kind, key, help in (
        ("user_waiting_jobs", "gauge", "waiting", "Jobs that wait, by user."),
        ("user_running_jobs", "gauge", "running", "Jobs that run, by user."),
        ("user_recent_device_seconds", "gauge", "recent_seconds", "Device seconds that count half after an hour."),
        ("user_device_seconds_total", "counter", "total_seconds", "Device seconds of ended attempts, by user."),
    ):
        add(name, kind, help, [({"user": user["user"]}, user[key]) for user in users])
    places = [({"slot": one["slot"] or one["worker"], "machine": one["machine"]}, one) for one in workers]
    for name, kind, key, help in (
        ("worker_device_free_bytes", "gauge", "device_free_bytes", "Bytes free on the worker's device."),
        ("worker_process_bytes", "gauge", "process_bytes", "Memory of the worker's process."),
        ("worker_silent_seconds", "gauge", "silent_seconds", "Since the worker was last heard."),
        ("worker_worked_seconds_total", "counter", "worked_seconds", "Seconds of work since the hub's start."),
    ):
        add(name, kind, help, [(labels, one[key]) for labels, one in places])
    add("worker_busy", "gauge", "1 while the worker has a job.", [(labels, bool(one["job"])) for labels, one in places])
    add("worker_state", "gauge", "1 for the state that the place is in.",
        [({**labels, "state": one["state"]}, 1.0) for labels, one in places])
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
