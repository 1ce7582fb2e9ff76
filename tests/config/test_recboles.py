"""Settings of RecBole's own models, typed by its YAML files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.common import COMMON
from recbole_cl.config.config import Config
from recbole_cl.config.models import available_models, model_class, own_models
from recbole_cl.config.recboles import defaults_of, recboles_settings
from recbole_cl.config.schema import Settings
from recbole_cl.errors import UsageError

THEIRS = [name for name in available_models() if name not in {*own_models(), "KSR"}]
HOSTILE: list[Any] = [None, True, -1, 0, 10**15, 0.5, -0.5, 1e308, "", "x", [], [None], {}, {"a": 1}]


@pytest.mark.parametrize("model", THEIRS)
def test_every_key_of_a_models_file_is_typed_and_has_its_default(model: str) -> None:
    cls = model_class(model)
    fields = recboles_settings(cls).model_fields
    assert fields.keys() <= defaults_of(cls).keys() and (fields or model in ("Pop", "Random"))
    usual = Config(model, "ml-100k").settings_dict()
    for key in fields:
        refused = 0
        for value in HOSTILE:
            try:
                recboles_settings(cls).model_validate({**{it: usual[it] for it in fields}, key: value})
            except ValueError:
                refused += 1
        assert refused > len(HOSTILE) // 2, key


def test_every_key_that_a_models_source_reads_is_a_setting() -> None:
    """A key that no file of RecBole's declares would be taken for another program's and passed over."""
    derived = {"MODEL_TYPE", "device", "MASK_INDEX", "MASK_ITEM_SEQ", "POS_ITEMS", "NEG_ITEMS", "INVERSE_ITEM_SEQ"}
    idle = {"use_filter", "reg_weight"}  # FEARec lacks the weights that the former uses; HRM only stores the latter
    for model in THEIRS:
        source = Path(str(sys.modules[model_class(model).__module__].__file__)).read_text(encoding="utf-8")
        read = {*re.findall(r'config\["([^"]+)"\]', source)} - derived
        unknown = read - COMMON - recboles_settings(model_class(model)).model_fields.keys()
        assert unknown <= idle, (model, unknown)


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        ("GRU4Rec", {"embedding_size": "64"}, "embedding_size = '64': expected an integer in [1, 16384]"),
        ("GRU4Rec", {"hidden_size": 10**15}, "hidden_size = 1000000000000000: expected an integer in [1, 16384]"),
        ("GRU4Rec", {"loss_type": "BCE"}, "loss_type = 'BCE': expected one of CE, BPR"),
        ("KSR", {}, "KSR needs a knowledge graph (.kg and .link)"),
        ("BPR", {"embedding_size": 0}, "embedding_size = 0: expected an integer in [1, 16384]"),
        ("S3Rec", {"train_stage": "both"}, "train_stage = 'both': expected one of pretrain, finetune"),
        ("Caser", {"reg_weight": "small"}, "reg_weight = 'small': expected a number"),
        ("HGN", {"reg_weight": 0.1}, "reg_weight = 0.1: expected a list, each a number"),
        ("HGN", {"pooling_type": 3}, "pooling_type = 3: expected text"),
        ("NARM", {"dropout_probs": 0.5}, "dropout_probs = 0.5: expected a list, each a number"),
        ("NextItNet", {"dilations": [1, 0.5]}, "dilations = [1, 0.5]: expected a list, each an integer"),
        ("RepeatNet", {"joint_train": 1}, "joint_train = 1: expected True or False"),
        ("SASRecCPR", {"reranker_CAN_NUM": "many"}, "reranker_CAN_NUM = 'many': expected an integer >= 1, or sizes"),
        ("BPR", {"train_neg_sample_args": {"distribution": "zipf"}}, "train_neg_sample_args.distribution = 'zipf'"),
        ("NPE", {"train_neg_sample_args": {"distribution": "uniform"}}, "train_neg_sample_args [{'distribution'"),
        ("SASRec", {"train_neg_sample_args": {"distribution": "uniform"}}, "train_neg_sample_args = {'distribution'"),
        ("SASRec", {"transform": "mask_itemseq"}, "transform = 'mask_itemseq' has no effect here"),
    ],
    ids=str,
)
def test_a_bad_value_is_told_before_anything_is_built(model: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Config(model, "ml-100k", None, given)
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)


def test_good_values_pass_and_ours_have_no_such_settings() -> None:
    Config("SASRecCPR", "ml-100k", None, {"reranker_CAN_NUM": "500,100", "n_facet_emb": 0, "use_proj_bias": False})
    assert not recboles_settings(model_class("SASRec")).model_fields
    mine: type = type("Mine", (model_class("GRU4Rec"),), {"__module__": "mine"})
    assert "num_layers" in recboles_settings(mine).model_fields and issubclass(recboles_settings(mine), Settings)
