"""Settings that fit neither the model nor each other."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from recbole_cl.config.common import COMMON
from recbole_cl.config.config import Config
from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.config.schema import MethodSettings
from recbole_cl.config.settings import check_settings
from recbole_cl.errors import UsageError


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        ("DuoRec", {"temperature": 0}, "temperature = 0: expected a number > 0"),
        ("DuoRec", {"epochs": -1}, "epochs = -1: expected an integer >= 0"),
        ("DuoRec", {"epochs": "abc"}, "epochs = 'abc': expected an integer >= 0"),
        ("SASRec", {"hidden_dropout_prob": 1.5}, "hidden_dropout_prob = 1.5: expected a number in [0, 1)"),
        ("SASRec", {"hidden_size": 65}, "hidden_size = 65: expected a multiple of n_heads = 2"),
        (
            "SRMA",
            {"hidden_size": 65, "encoder": "gru", "extra_layer_kind": "transformer"},
            "hidden_size = 65: expected a multiple of n_heads = 2",
        ),
        ("SASRec", {"ITEM_LIST_LENGTH_FIELD": "item_id"}, "ITEM_LIST_LENGTH_FIELD = item_id: ITEM_ID_FIELD has that"),
        ("SASRec", {"load_col": {"inter": 5}}, "load_col.inter = 5: expected *, or a list"),
        ("SASRec", {"load_col": {"user": ["user_id"]}}, "load_col = {'user': ['user_id']}: inter is missing"),
        (
            "SASRec",
            {"dropout": 1.5},
            "'dropout' is a setting of NNCF, not of SASRec; did you mean attn_dropout_prob or hidden_dropout_prob?",
        ),
        ("SASRec", {"Learning_Rate": 1}, "unknown setting 'Learning_Rate'; did you mean learning_rate?"),
        ("SASRec", {"leaning_rate": 1}, "unknown setting 'leaning_rate'; did you mean learning_rate?"),
        ("SASRec", {"qqq": 1}, "unknown setting 'qqq'; SASRec has nothing like it"),
        ("SASRec", {"mask_same_target": True}, "'mask_same_target' is a setting of DuoRec, not of SASRec"),
        ("SASRec", {"num_layers": 2}, "'num_layers' is a setting of GRU4Rec"),
        (
            "SASRec",
            {"tmp": 1, "lerning_rate": 2},
            "unknown setting 'tmp'; SASRec has nothing like it | unknown setting",
        ),
        ("GRU4Rec", {"loss_type": "ce"}, "loss_type = 'ce': expected one of CE, BPR"),
        ("GRU4Rec", {"train_neg_sample_args": {"distribution": "uniform"}}, "train_neg_sample_args [{'distribution'"),
        ("SASRec", {"seed": 2**32}, "seed = 4294967296: expected an integer in [0, 4294967295]"),
        ("SASRec", {"seed": True}, "seed = True: expected an integer"),
        ("SASRec", {"learning_rate": float("nan")}, "learning_rate = nan: expected a number > 0"),
        ("SASRec", {"learner": "adma"}, "learner = 'adma': expected one of adam, adamw, sgd, adagrad, rmsprop"),
        ("SASRec", {"topk": [5, 0]}, "topk = [5, 0]: expected an integer >= 1, or a list"),
        ("SASRec", {"metrics": ["Hits"]}, "metrics = 'Hits': expected one of "),
        ("SASRec", {"valid_metric": "NDCG@7"}, "topk = [5, 10, 20] lacks the 7 of valid_metric = NDCG@7"),
        (
            "SASRec",
            {"metrics": ["AUC"], "valid_metric": "AUC"},
            "metrics = AUC is computed from labels, and a ranking has none",
        ),
        ("SASRec", {"eval_args": {"order": "RO"}}, "eval_args.order = 'RO': expected TO"),
        ("SASRec", {"eval_args": {"mode": "labeled"}}, "eval_args.mode = 'labeled': expected full"),
        (
            "SASRec",
            {"eval_args": {"splits": 1}},
            "eval_args has an entry 'splits': expected split, group_by, order, mode",
        ),
        ("SASRec", {"eval_args": {"split": {}}}, "eval_args.split = {}: expected LS: valid_and_test"),
        ("SASRec", {"eval_args": {"split": {"TS": [0.8, 0.1, 0.1]}}}, "eval_args.split has an entry 'TS': expected LS"),
        ("SASRec", {"eval_args": 1}, "eval_args = 1: expected a mapping"),
        ("SASRec", {"repeatable": False}, "repeatable = False: expected True"),
        ("SASRec", {"eval_history": "drop"}, "eval_history = 'drop': expected one of keep, remove"),
        ("SASRec", {"user_inter_num_interval": 5}, "user_inter_num_interval = 5: expected an interval"),
        ("SASRec", {"item_inter_num_interval": "[a,b]"}, "item_inter_num_interval = '[a,b]': expected an interval"),
        ("SASRec", {"val_interval": {"timestamp": "abc"}}, "val_interval.timestamp = 'abc': expected an interval"),
        ("SASRec", {"field_separator": "::"}, "field_separator = '::': expected one character"),
        ("SASRec", {"encoding": "foo"}, "encoding = 'foo': expected the name of a text encoding"),
        ("SASRec", {"encoding": "hex"}, "encoding = 'hex': expected the name of a text encoding"),
        ("SASRec", {"encoding": 5}, "encoding = 5: expected the name of a text encoding"),
        ("SASRec", {"config_file": "mine.yaml"}, "unknown setting 'config_file'"),
        (
            "SASRec",
            {"learning_rate": print},
            "learning_rate = <built-in function print>: a builtin_function_or_method cannot be written to YAML",
        ),
    ],
)
def test_a_bad_setting_is_refused(model: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        Config(model, "ml-100k", None, settings)
    text = str(caught.value)
    assert text.startswith(expected)
    assert "\n" not in text


def test_the_common_presets_are_all_checked() -> None:
    assert read_settings(props_dir() / "overall.yaml").keys() <= COMMON


class OneEpoch(MethodSettings):
    epochs: Literal[1]


def test_a_model_checks_outrank_the_common_ones() -> None:
    values = Config("SASRec", "ml-100k").settings_dict()
    with pytest.raises(UsageError, match="epochs = 300: expected 1"):
        check_settings(values, OneEpoch)
