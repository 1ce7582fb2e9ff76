"""The example that serves a package over HTTP."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from recbole_cl import LoadedRun, load_package
from recbole_cl.serving.package import write_package

EXAMPLE = Path(__file__).parents[2] / "examples" / "serve.py"


@pytest.fixture
def address(ours: LoadedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    uvicorn = pytest.importorskip("uvicorn")
    write_package(ours, tmp_path / "package")
    monkeypatch.setenv("PACKAGE", str(tmp_path / "package"))
    spec = importlib.util.spec_from_file_location("serve", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/recommend", tmp_path / "package"
    server.should_exit = True
    thread.join(timeout=10)


def ask(address: str, **values: object) -> list[dict[str, object]]:
    body = json.dumps(values).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[dict[str, object]] = json.load(answer)
    return found


def test_it_answers_as_the_package(address: tuple[str, Path]) -> None:
    url, folder = address
    (expected,) = load_package(folder).recommend([["i3", "i4"]], k=3)
    assert [line["item"] for line in ask(url, items=["i3", "i4"], k=3)] == [item for item, _ in expected]
    refused: list[dict[str, object]] = [{"items": []}, {"items": ["nothing"]}, {"items": ["i3"], "k": 99}]
    for bad in refused:
        with pytest.raises(urllib.error.HTTPError, match="422"):
            ask(url, **bad)
