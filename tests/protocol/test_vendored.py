# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on carries a copy of the package under another name: it must work there, with nothing else of ours."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "protocol"
ALLOWED = {"numpy", "msgpack", "zmq"}


def test_a_copy_under_another_name_works(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "addon" / "wire", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "addon" / "__init__.py").touch()
    code = """
import sys
from addon.wire.client import Client, new_job_id
from addon.wire.messages import TextTo3DSpec
from addon.wire.errors import MaquetteError, NotConnected
from pathlib import Path
client = Client.local(Path("nowhere"))
job = client.submit(TextTo3DSpec("a chair"), job=new_job_id())
client.poll()
try:
    client.wait_connected(0.1)
except NotConnected as problem:
    print(problem.hint)
client.cancel(job)
print(client.jobs[job].error.code)
client.close()
assert not any(name.split(".")[0] in ("protocol", "backend") for name in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stdout.split("\n")[:2] == ["Start one with: maquette serve", "cancelled"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_imports_are_relative_standard_or_allowed(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        else:
            continue
        for name in names:
            root = name.split(".")[0]
            assert root in ALLOWED or root in sys.stdlib_module_names, f"{path.name} imports {name}"
