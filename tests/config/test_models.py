"""Models by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from recbole.model.abstract_recommender import SequentialRecommender

from recbole_cl.config import models as registry
from recbole_cl.errors import UsageError


def test_ours_come_first_and_every_name_once() -> None:
    names = registry.available_models()
    ours = registry.own_models()
    assert {"DuoRec", "SASRec"} <= set(ours)
    assert names[: len(ours)] == ours
    assert len(set(names)) == len(names)
    assert {"GRU4Rec", "FPMC", "S3Rec", "BPR", "Pop"} <= set(names[len(ours) :]) and "DeepFM" not in names


def test_every_model_file_is_in_the_table() -> None:
    """A class that bears its file's name, in any capitals, and extends another one."""
    folder = Path(__file__).parents[2] / "recbole_cl" / "model"
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")}
    classes = [(stem, it) for stem, tree in trees.items() for it in tree.body if isinstance(it, ast.ClassDef)]
    found = [it.name for stem, it in classes if it.bases and it.name.lower() == stem]
    found.append("Contrastive")  # in combination.py
    assert sorted(found, key=str.lower) == registry.own_models()


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


def test_loading_recbole_models_leaves_anomaly_detection_off(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = "recbole.model.sequential_recommender"
    before = registry.recboles_model("SINE")
    for module in (f"{theirs}.sine", theirs):  # the switch is thrown at the first import only
        monkeypatch.setattr(sys.modules[module.rpartition(".")[0]], module.rpartition(".")[2], sys.modules[module])
        monkeypatch.delitem(sys.modules, module)
    assert registry.recboles_model("SINE") is not before, "it has not been imported again"
    assert not torch.is_anomaly_enabled()


def test_a_prefix_asks_for_recboles_where_ours_has_the_name() -> None:
    theirs = registry.model_class("recbole:sasrec")
    assert theirs.__module__ == "recbole.model.sequential_recommender.sasrec"
    assert registry.model_path(theirs) == "recbole:SASRec" and registry.is_same_model(theirs, "recbole:SASRec")
    assert not registry.is_same_model(registry.model_class("SASRec"), "recbole:SASRec")
    assert registry.model_path(registry.model_class("recbole:GRU4Rec")) == "GRU4Rec"  # of which ours has none
    assert registry.model_path(registry.model_class("recbole:bert4rec")) == "recbole:BERT4Rec"
    with pytest.raises(UsageError, match="unknown model 'DuoRec'"):
        registry.refuse_unknown_model("recbole:DuoRec")


@pytest.mark.parametrize(
    ("name", "kind"), [("DeepFM", "context-aware"), ("KGAT", "knowledge-aware"), ("LightGBM", "decision-tree")]
)
def test_recboles_other_kinds_of_models_are_told_to_be_out_of_scope(name: str, kind: str) -> None:
    with pytest.raises(
        UsageError, match=f"{name} is one of RecBole's {kind} models, and only sequential and general ones run"
    ):
        registry.refuse_unknown_model(name)


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


class Outside(SequentialRecommender):
    class Inner(SequentialRecommender): ...


def test_a_class_is_taken_as_it_is() -> None:
    assert registry.model_class(Outside) is Outside
    with pytest.raises(UsageError, match="^model dict is the class dict: expected a class that extends Encoder"):
        registry.model_class(dict)


def test_a_path_leads_to_a_class() -> None:
    assert registry.model_class("recbole_cl.model.sasrec.SASRec") is registry.model_class("SASRec")
    with pytest.raises(UsageError, match=r"^model subprocess\.run is a function: expected a class that extends"):
        registry.model_class("subprocess.run")


@pytest.mark.parametrize("name", ["DuoRec", "GRU4Rec"])
def test_a_known_model_is_stored_by_its_name(name: str) -> None:
    assert registry.model_path(registry.model_class(name)) == name


def test_any_other_class_is_stored_by_its_path() -> None:
    assert registry.model_path(Outside) == f"{__name__}.Outside"
    assert registry.model_path(Outside.Inner) == f"{__name__}:Outside.Inner"
    for cls in (Outside, Outside.Inner):
        assert registry.model_class(registry.model_path(cls)) is cls
    theirs = registry.recboles_model("SASRec")  # whose name is ours'
    assert registry.model_class(registry.model_path(theirs)) is theirs


def test_an_outside_class_of_one_of_our_names_is_not_taken_for_ours() -> None:
    twin = type("DuoRec", (SequentialRecommender,), {"__module__": "their_package.duorec", "__qualname__": "DuoRec"})
    assert registry.model_path(twin) == "their_package.duorec.DuoRec"


def test_a_class_that_no_path_leads_to_has_to_be_given_again() -> None:
    class Local(SequentialRecommender): ...

    for path, where in (
        (registry.model_path(Local), "inside a function"),
        ("__main__.Gone", "in a script or notebook"),
    ):
        with pytest.raises(UsageError, match=rf"the class was made {where}.*load\(run_dir, model=(Local|Gone)\)"):
            registry.model_class(path)


def test_a_general_model_is_found_and_stored_by_its_name() -> None:
    found = registry.model_class("bpr")
    assert found.__module__ == "recbole.model.general_recommender.bpr" and registry.model_path(found) == "BPR"
    assert registry.about("BPR").startswith("RecBole's: Steffen Rendle et al.")


@pytest.mark.parametrize(
    ("path", "name"), [("SASRec", "SASRec"), ("a.b.C", "C"), ("a.b:C.D", "D"), ("a.f.<locals>.C", "C")]
)
def test_a_path_ends_in_the_name_of_its_class(path: str, name: str) -> None:
    assert registry.model_name(path) == name
