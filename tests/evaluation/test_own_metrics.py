"""Metrics by dotted path: means over users at every cut-off, and names that nobody else has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.own_metrics import check_own, own_metrics
from recbole_cl.registry import name_paths
from recbole_cl.runs.settings import settings_of

MODULE = """
import torch

def best(rank, k):
    return (rank == 1).float()

def NDCG(rank, k):
    return rank

thing = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "somebodys_metrics.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "somebodys_metrics", raising=False)
    for name in ("best", "NDCG", "thing", "gone"):
        name_paths(f"somebodys_metrics.{name}")
    return "somebodys_metrics"


def test_means_over_users_are_rounded(module: str) -> None:
    figures = own_metrics([f"{module}.best"], [5, 10], torch.tensor([1, 7, 1]), 3)
    assert figures == {"best@5": 0.667, "best@10": 0.667}


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["NDCG"], "would be called ndcg, as is RecBole's; give it another name"),
        (["best", "best"], "would be called best, as is somebodys_metrics.best"),
        (["gone"], "has no gone"),
        (["thing"], "is an int: expected a function"),
    ],
)
def test_what_is_no_metric_or_has_a_name_of_others_is_refused(module: str, paths: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_own([f"{module}.{path}" for path in paths])


def test_it_is_refused_before_anything_is_trained(module: str) -> None:
    config = Config("SASRec", "ml-100k", config_dict={"metrics": ["Hit", f"{module}.gone"], "valid_metric": "Hit@10"})
    with pytest.raises(UsageError, match="has no gone"):
        settings_of(config)


def test_one_of_recboles_must_be_there(module: str) -> None:
    with pytest.raises(UsageError, match="^metrics = .*: expected at least one of RecBole's metrics as well"):
        Config("SASRec", "ml-100k", config_dict={"metrics": [f"{module}.best"], "valid_metric": "best@10"})
