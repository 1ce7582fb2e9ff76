"""Older names, values that change nothing, and texts that mean nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError


def settings(model: str, given: dict[str, Any]) -> dict[str, Any]:
    return Config(model, "ml-100k", None, given).settings_dict()


@pytest.mark.parametrize(
    ("model", "older", "today"),
    [
        ("DuoRec", {"lmd": 0.3, "lmd_sem": 0.4}, {"unsupervised_weight": 0.3, "supervised_weight": 0.4}),
        ("CL4SRec", {"lmd": 0.3, "tau": 0.5}, {"contrastive_weight": 0.3, "temperature": 0.5}),
        ("AdaptiveRec", {"lmd_sem": 0.3}, {"contrastive_weight": 0.3}),
        ("CL4SRec", {"sim": "cos"}, {"similarity": "cosine"}),
        ("CL4SRec", {"sim": "dot"}, {"similarity": "dot"}),
        ("SASRec", {"neg_sampling": None}, {"train_neg_sample_args": None}),
        ("SASRec", {"training_neg_sample_num": 0}, {"train_neg_sample_args": None}),
        ("SASRec", {"eval_setting": "TO_LS, full"}, {"eval_args": {"order": "TO", "mode": "full"}}),
        ("SASRec", {"min_user_inter_num": 5}, {"user_inter_num_interval": "[5,inf)"}),
        ("SASRec", {"min_item_inter_num": 3}, {"item_inter_num_interval": "[3,inf)"}),
        ("SASRec", {"embedding_size": 32}, {"hidden_size": 32}),
        ("SASRec", {"device": "cpu"}, {"use_gpu": False}),
        ("SASRec", {"device": "cuda:1"}, {"gpu_id": "1"}),
        ("SASRec", {"train_from_scratch": True, "load_checkpoint": None}, {"resume": None}),
        ("GRU4Rec", {"embedding_size": 32}, {"embedding_size": 32}),  # which is RecBole's own
    ],
    ids=str,
)
def test_an_older_name_is_taken_where_it_means_the_same(
    model: str, older: dict[str, Any], today: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    values = settings(model, older)
    for key, value in today.items():
        assert value.items() <= values[key].items() if isinstance(value, dict) else values[key] == value
    assert not older.keys() - today.keys() & values.keys()
    renamed = older.keys() - today.keys() - {"train_from_scratch", "load_checkpoint"}
    assert sorted(text.split()[0] for text in caplog.messages) == sorted(renamed)


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        ("SASRec", {"neg_sampling": {"uniform": 1}}, "train_neg_sample_args = {'uniform': 1} has no effect here: the"),
        ("SASRec", {"eval_setting": "RO_RS,full"}, "an older setting; today's is eval_args"),
        ("SASRec", {"load_checkpoint": "a.pth"}, "an older setting; today's is resume"),
        ("SASRec", {"device": "tpu"}, "an older setting; today's is use_gpu"),
        ("SASRec", {"min_user_inter_num": "5"}, "an older setting; today's is user_inter_num_interval"),
        (
            "CL4SRec",
            {"lmd": 0.3, "contrastive_weight": 0.1},
            "is given, too, under another of its names; leave one out",
        ),
        ("CL4SRec", {"tau": 0}, "temperature = 0: expected a number > 0"),
        ("CL4SRec", {"lmd_sem": 0.3}, "'lmd_sem' is a setting of FEARec, not of CL4SRec"),
        ("SASRec", {"tau": 1}, "'tau' is a setting of MacridVAE, not of SASRec"),
        ("SASRec", {"lr": 1}, "unknown setting 'lr'; did you mean learning_rate?"),
        ("SASRec", {"batch_size": 1}, "'batch_size'; did you mean train_batch_size or eval_batch_size?"),
        ("SASRec", {"loss_type": "BPR"}, "recommendation_loss decides, and is chunked_ce; leave it out, or set"),
        ("CoSeRec", {"loss_type": "CE"}, "recommendation_loss decides, and is bce; leave it out, or set"),
        ("SASRec", {"loss_type": "CE", "recommendation_loss": "gbce"}, "recommendation_loss decides, and is gbce"),
        ("SASRec", {"hidden_act": "relu"}, "hidden_act = 'relu': expected gelu"),
        ("SASRec", {"hidden_act": "gelu", "encoder": "ligr"}, "expected swiglu, which the encoder ligr has"),
        ("SASRec", {"hidden_act": "gelu", "encoder": "query_norm"}, "expected relu, which the encoder query_norm has"),
    ],
    ids=str,
)
def test_what_means_something_else_is_refused_with_todays_name(model: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(model, given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_older_names_are_taken_from_files_in_their_order(tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("tau: 0.5\nlmd: 0.2\n")
    two.write_text("temperature: 0.7\n")
    config = Config("CL4SRec", "ml-100k", [one, two], {"lmd": 0.4})
    assert (config["temperature"], config["contrastive_weight"]) == (0.7, 0.4)


def test_values_that_say_what_is_done_anyway_are_taken_and_not_kept() -> None:
    assert settings("DuoRec", {"loss_type": "CE", "hidden_act": "gelu"}) == settings("DuoRec", {})
    relu = {"encoder": "query_norm", "hidden_act": "relu"}
    assert settings("SASRec", relu) == settings("SASRec", {"encoder": "query_norm"})
    assert settings("GRU4Rec", {"loss_type": "CE"})["loss_type"] == "CE"


@pytest.mark.parametrize("key", ["clip_grad_norm", "train_neg_sample_args", "load_col", "val_interval", "rm_dup_inter"])
def test_the_text_none_means_nothing_at_all(key: str) -> None:
    assert settings("SASRec", {key: "None"})[key] is None


def test_the_text_none_is_read_within_mappings_and_by_methods() -> None:
    assert settings("SASRec", {"eval_args": {"group_by": "None"}})["eval_args"]["group_by"] is None
    assert settings("SRMA", {"neuron_masking_prob": "None"})["neuron_masking_prob"] is None
    with pytest.raises(UsageError, match="^seed = 'None': expected an integer"):
        settings("SASRec", {"seed": "None"})


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec"])
@pytest.mark.parametrize("distribution", ["none", None, "None"])
def test_no_negatives_is_no_error(model: str, distribution: str | None) -> None:
    assert settings(model, {"train_neg_sample_args": {"distribution": distribution}})["train_neg_sample_args"] is None
