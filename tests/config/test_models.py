"""Models by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recbole_cl.config import models as registry
from recbole_cl.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the folder of our models."""
    monkeypatch.setattr(registry, "_OURS", tmp_path)
    return tmp_path


def test_ours_come_first_and_every_name_once() -> None:
    names = registry.available_models()
    ours = registry.own_models()
    assert {"DuoRec", "SASRec"} <= set(ours)
    assert names[: len(ours)] == ours
    assert len(set(names)) == len(names)
    assert {"GRU4Rec", "Caser", "NARM"} <= set(names[len(ours) :]) and "BERT4Rec" not in names


@pytest.mark.parametrize(("name", "needs"), [("bert4rec", "transformed rows"), ("FPMC", "sampled negatives")])
def test_what_the_loader_cannot_feed_is_refused_and_not_listed(name: str, needs: str) -> None:
    with pytest.raises(UsageError, match=f"needs {needs} in its batches"):
        registry.model_class(name)
    assert set(registry._UNFIT) <= set(registry._recbole_models())


def test_a_new_file_is_a_new_model(folder: Path) -> None:
    (folder / "mymethod.py").write_text("class Helper:\n    pass\n\nclass MyMethod(Base):\n    pass\n")
    assert registry.own_models() == ["MyMethod"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("base.py", "class Base(Module): ..."),
        ("_private.py", "class _Private(Module): ..."),
        ("batch.py", "class Batch: ..."),
        ("helpers.py", "class Other(Module): ..."),
        ("notes.txt", "class Notes(Module): ..."),
    ],
)
def test_what_is_no_model_is_not_listed(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert registry.own_models() == []


@pytest.mark.parametrize("name", ["SASRec", "sasrec", "SASREC"])
def test_capitals_do_not_matter_and_ours_win(name: str) -> None:
    found = registry.model_class(name)
    assert found.__name__ == "SASRec"
    assert found.__module__ == "recbole_cl.model.sasrec"


def test_every_model_of_ours_can_be_loaded() -> None:
    for name in registry.own_models():
        assert registry.model_class(name).__name__ == name


def test_a_model_of_recbole_is_found() -> None:
    assert registry.model_class("gru4rec").__module__ == "recbole.model.sequential_recommender.gru4rec"


def test_loading_recbole_models_leaves_anomaly_detection_off() -> None:
    code = "import torch; from recbole_cl.config import models as registry; registry.model_class('GRU4Rec'); "
    code += "import sys; assert 'recbole.model.sequential_recommender.sine' in sys.modules; "
    code += "assert not torch.is_anomaly_enabled()"
    # A new process: the switch is thrown at the first import only.
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_anomaly_detection_that_the_user_wants_stays_on() -> None:
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        registry.model_class("Caser")
        assert torch.is_anomaly_enabled()
        assert not torch.is_anomaly_check_nan_enabled()


def test_listing_names_imports_neither_torch_nor_recbole() -> None:
    code = "import sys; from recbole_cl.config import models as registry; registry.available_models(); "
    code += "assert not {'torch', 'recbole.model'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(("name", "near"), [("DuoRek", "DuoRec"), ("gru4re", "GRU4Rec")])
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown model '{name}': did you mean {near}\\? ours are .*SASRec.*Caser"):
        registry.model_class(name)


def test_a_name_like_nothing_is_answered_with_the_list_alone() -> None:
    with pytest.raises(UsageError, match="unknown model 'zzz': ours are "):
        registry.model_class("zzz")
