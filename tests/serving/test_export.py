"""Models that travel: packages and ONNX files."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recbole_cl import LoadedRun, load_package
from recbole_cl.cli import main
from recbole_cl.config.config import Config
from recbole_cl.encoder.registry import ENCODERS
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_model
from recbole_cl.serving.onnx_file import write_onnx
from recbole_cl.serving.scorer import scorer_of
from recbole_cl.testing.toy import TINY
from tests.serving.conftest import trained_on_the_circle

REFUSED = {"gru"}
HISTORIES = [["i3", "i4"], ["i17"], ["i1", "?", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9"]]


@pytest.fixture(scope="module")
def package(run_dir: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("travels") / "package"
    assert main(["export", run_dir, "--format", "package", "--out", str(folder)]) == 0
    return folder


def test_a_package_recommends_as_the_run(ours: LoadedRun, package: Path) -> None:
    found = load_package(package).recommend(HISTORIES, k=4)
    table = ours.recommend(histories=HISTORIES, k=4)
    assert [item for row in found for item, _ in row] == list(table["item"])
    assert np.allclose([score for row in found for _, score in row], table["score"], atol=1e-5)
    banned = load_package(package).recommend(HISTORIES, k=20, exclude=["i5"])
    assert [len(row) for row in banned] == [17, 18, 11]  # of 20 without the row's own and i5


@pytest.mark.slow
def test_a_package_is_read_without_recbole(package: Path) -> None:
    code = (
        "import sys; from recbole_cl import load_package; "
        f"print(load_package({str(package)!r}).recommend([['i3', 'i4']], k=1)[0][0][0]); "
        "print(sorted({'recbole', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["i5", "[]"]


@pytest.mark.parametrize("name", ["weights.safetensors", "package.json", "items.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_package_is_told(package: Path, tmp_path: Path, name: str, damage: str) -> None:
    for file in package.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    broken = tmp_path / name
    if damage == "gone":
        broken.unlink()
    else:
        broken.write_bytes(broken.read_bytes()[:-9] if damage == "cut" else b"[]")
    with pytest.raises(UsageError, match="damaged|no package|no items.json"):
        load_package(tmp_path)


def test_bad_requests_are_told(package: Path, run_dir: str, recboles: LoadedRun, capsys: Any, tmp_path: Path) -> None:
    model = load_package(package)
    with pytest.raises(UsageError, match="k = 21: expected 1 to 20"):
        model.recommend([["i1"]], k=21)
    with pytest.raises(UsageError, match="history 1 has no item"):
        model.recommend([[]])
    with pytest.raises(UsageError, match="GRU4Rec is RecBole's own model"):
        scorer_of(recboles.model)
    assert main(["export", run_dir, "--format", "package", "--out", str(package)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["export", run_dir, "--format", "onnx", "--out", str(tmp_path / "x.pt")]) == 2
    assert main(["export", run_dir, "--format", "onnx", "--k", "0", "--out", str(tmp_path / "x.onnx")]) == 2


def test_models_are_exported_on_the_cpu(ours: LoadedRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps: list[object] = []

    def export(*_: Any, **__: Any) -> SimpleNamespace:
        steps.append("export")
        return SimpleNamespace(model_proto=SimpleNamespace(SerializeToString=bytes))

    monkeypatch.setattr("torch.onnx.export", export)
    monkeypatch.setattr(type(ours.model), "cpu", lambda _: steps.append("to the CPU"))
    monkeypatch.setattr(type(ours.model), "to", lambda _, device: steps.append(device))
    write_onnx(ours, tmp_path / "model.onnx")
    scorer_of(ours.model)
    device = ours.model.device
    assert steps == ["to the CPU", "export", device, "to the CPU", device]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", sorted({*ENCODERS.names()} - REFUSED))
def test_an_onnx_file_gives_the_run_s_lists(encoder: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    more = {"encoder": encoder, "n_layers": 1, "epochs": 1, "history_penalty": encoder == "ligr"}
    ours = trained_on_the_circle("SASRec", tmp_path, **TINY, **more)
    file = tmp_path / "model.onnx"
    before = ours.model.group_by_length
    write_onnx(ours, file, 5)
    assert ours.model.group_by_length == before
    tokens = ["", *json.loads((tmp_path / "model.items.json").read_text())]
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    histories = ours.histories(None)
    rows = next(ours.recommender.batches(histories))
    for n in (len(rows.seq_len), 1, 7):  # the number of rows is free
        feed = {"item_seq": rows.item_seq[:n].numpy(), "length": rows.seq_len[:n].numpy()}
        items, scores = session.run(["items", "scores"], feed)
        expected = ours.recommend([histories.names[i] for i in range(n)], k=5, exclude="none")
        assert [tokens[i] for i in items.flatten()] == list(expected["item"])
        assert np.allclose(scores.flatten(), expected["score"], atol=1e-4)


def test_an_export_that_is_broken_off_leaves_no_items_of_an_earlier_one(
    ours: LoadedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    program = SimpleNamespace(model_proto=SimpleNamespace(SerializeToString=lambda: b"new"))
    monkeypatch.setattr("recbole_cl.serving.onnx_file._exported", lambda *_: program)
    monkeypatch.setattr(type(ours.items), "save", full)
    (tmp_path / "model.items.json").write_text('["older"]')
    with pytest.raises(OSError, match="No space left"):
        write_onnx(ours, tmp_path / "model.onnx")
    assert [it.name for it in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("encoder", sorted(REFUSED))
def test_an_encoder_that_onnx_lacks_is_refused(encoder: str, ours: LoadedRun, tmp_path: Path) -> None:
    config = Config("SASRec", config_dict=ours.config.settings_dict() | {"encoder": encoder})
    other = replace(ours, config=config, model=build_model(config, ours.splits[0]))
    with pytest.raises(UsageError, match=f"encoder = {encoder} can't be exported as ONNX: use --format package"):
        write_onnx(other, tmp_path / "model.onnx")
    assert scorer_of(other.model.eval()).settings.encoder == encoder
