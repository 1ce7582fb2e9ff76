"""Each key of RecBole's: it works, or says what is done anyway, or is refused with a reason; none is ignored."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import recbole
from recbole.utils import dataset_arguments, evaluation_arguments, general_arguments, training_arguments

from recbole_cl.config.common import COMMON, OF_RECBOLES, WITHOUT_EFFECT
from recbole_cl.config.config import Config
from recbole_cl.config.foreign import HARMLESS
from recbole_cl.config.presets import read_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_data, build_model, build_trainer
from recbole_cl.runs.settings import settings_of
from recbole_cl.testing.toy import TINY

FILES = ("overall.yaml", "dataset/sample.yaml", *(f"quick_start_config/sequential{it}.yaml" for it in ("", "_DIN")))
THEIRS = {*general_arguments, *training_arguments, *evaluation_arguments, *dataset_arguments} | {
    key for name in FILES for key in read_settings(Path(recbole.__file__).parent / "properties" / name)
}
UNDECLARED = {"encoding", "discretization", "tail_ratio"}  # which RecBole reads and no list of its own has

# A value that changes what is made of the settings. Where two keys have to change, both stand here.
WORKING: dict[str, dict[str, Any]] = {
    **{key: {key: value} for key, value in {"gpu_id": "7", "seed": 3, "reproducibility": False}.items()},
    **{key: {key: value} for key, value in {"state": "DEBUG", "data_path": "gone", "checkpoint_dir": "there"}.items()},
    "show_progress": {"show_progress": True},
    "log_wandb": {"log_wandb": True},
    "wandb_project": {"wandb_project": "mine", "log_wandb": True},
    # training
    **{key: {key: 3} for key in ("epochs", "train_batch_size", "eval_step", "stopping_step", "loss_decimal_place")},
    **{key: {key: 0.5} for key in ("learning_rate", "weight_decay")},
    "shuffle": {"shuffle": False},
    "learner": {"learner": "sgd"},
    "clip_grad_norm": {"clip_grad_norm": {"max_norm": 1.0}},
    "enable_amp": {"enable_amp": True},
    # evaluation
    "metrics": {"metrics": ["MRR"]},
    "topk": {"topk": [5]},
    "valid_metric": {"valid_metric": "NDCG@5"},
    "eval_batch_size": {"eval_batch_size": 3},
    "metric_decimal_place": {"metric_decimal_place": 3},
    "tail_ratio": {"tail_ratio": 0.3},
    # data
    **{key: {key: "rating"} for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "ITEM_LIST_LENGTH_FIELD")},
    "LIST_SUFFIX": {"LIST_SUFFIX": "_row"},
    "field_separator": {"field_separator": ","},
    "seq_separator": {"seq_separator": "e"},
    "encoding": {"encoding": "latin-1"},
    "load_col": {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}},
    "unload_col": {"unload_col": {"inter": ["rating"]}},
    "unused_col": {"unused_col": {"inter": ["rating"]}},
    "rm_dup_inter": {"rm_dup_inter": "last"},
    "val_interval": {"val_interval": {"rating": "[2,inf)"}},
    "filter_inter_by_user_or_item": {"filter_inter_by_user_or_item": False, "load_col": {"inter": "*", "user": "*"}},
    "user_inter_num_interval": {"user_inter_num_interval": "[6,inf)"},
    "item_inter_num_interval": {"item_inter_num_interval": "[5,inf)"},
    "MAX_ITEM_LIST_LENGTH": {"MAX_ITEM_LIST_LENGTH": 2},
    "normalize_all": {"normalize_all": True},
    "normalize_field": {"normalize_field": ["rating"]},
}
# What is done anyway, which no other value passes than that; eval_args is fixed entry by entry.
FIXED: dict[str, list[Any]] = {
    "repeatable": [False],
    "eval_args": [
        {"split": {"TS": [0.8, 0.1, 0.1]}},
        {"split": {"LS": "none"}},
        {"order": "RO"},
        {"mode": "labeled"},
        {"group_by": "item_id"},
    ],
}
UNREAD = WITHOUT_EFFECT | OF_RECBOLES
# --config_files; what a GPU changes, test_config.py tests; pretrained vectors, test_pretrained_items.py; data that come
# split, test_splits.py
ELSEWHERE = {"config_file", "use_gpu", "additional_feat_suffix", "alias_of_item_id", "preload_weight"}
ELSEWHERE |= {"benchmark_filename"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Interactions with a repeated one, a rating, a list of tags and a letter beyond ASCII."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["user_id:token\titem_id:token\ttimestamp:float\trating:float\ttags:token_seq"]
    for user in range(6):
        items = [(user + step) % 9 for step in range(4 + user)] + [user]
        lines += [f"ü{user}\ti{it}\t{step}\t{1 + it % 5}\tred blue" for step, it in enumerate(items)]
    (folder / "probe").mkdir()
    (folder / "probe" / "probe.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    some = [f"ü{user}" for user in range(1, 6)]  # by which filter_inter_by_user_or_item leaves one out
    (folder / "probe" / "probe.user").write_text("\n".join(["user_id:token", *some]) + "\n", encoding="utf-8")
    return {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}


def made_of(given: dict[str, Any], folder: Path) -> str:
    """All that is made of some settings: data, weights, and what loader, trainer, evaluation and process are told."""
    config = Config("SASRec", "probe", None, given)
    told = [settings_of(config), os.environ["CUDA_VISIBLE_DEVICES"], config["metrics"], config["topk"]]
    try:
        dataset, splits = build_data(config)
    except UsageError as error:
        return f"{told} {error}"
    trainer = build_trainer(config, build_model(config, splits[0]), folder)
    columns = [{name: values.tolist() for name, values in split[:].interaction.items()} for split in splits]
    plain = {key: value for key, value in vars(trainer).items() if isinstance(value, bool | int | float | str | dict)}
    plain = {key: value for key, value in plain.items() if str(folder) not in str(value)}
    return str([told, columns, dataset.field2id_token, plain, sum(it.sum() for it in trainer.model.parameters())])


@pytest.fixture(scope="module")
def base(data: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    given: dict[str, Any] = TINY | data | {"load_col": {"inter": "*"}, "topk": [2, 5], "valid_metric": "MRR@5"}
    folder = tmp_path_factory.mktemp("run")
    return given, made_of(given, folder)


@pytest.mark.parametrize("key", WORKING)
def test_a_key_works(
    key: str, base: tuple[dict[str, Any], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    given, usual = base
    projects: list[str] = []
    wandb = SimpleNamespace(run=None, init=lambda project, config: projects.append(project))
    wandb.define_metric = lambda *args, **kwargs: None
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    changed = WORKING[key]
    others = {other: value for other, value in changed.items() if other != key}
    without = (made_of(given | others, tmp_path) if others else usual), [*projects]
    projects.clear()
    assert (made_of(given | changed, tmp_path), projects) != without


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FIXED.items() for value in values])
def test_what_is_done_anyway_passes_and_nothing_else(key: str, value: Any) -> None:
    usual = Config("SASRec", "ml-100k").settings_dict()[key]
    assert Config("SASRec", "ml-100k", None, {key: usual}).settings_dict()[key] == usual
    with pytest.raises(UsageError, match=rf"^{key}.*expected"):
        Config("SASRec", "ml-100k", None, {key: value})


@pytest.mark.parametrize("key", UNREAD)
def test_what_nothing_reads_is_refused_with_a_reason(key: str) -> None:
    idle, why = UNREAD[key]
    value = 0.5 if key in HARMLESS else "something"  # of those, what RecBole has for them is taken, with a word
    with pytest.raises(UsageError) as caught:
        Config("SASRec", "ml-100k", None, {key: value})
    assert str(caught.value).startswith(f"{key} = {value!r} has no effect here: {why}. Leave it at ")
    for same in [idle, *(["None"] if idle is None else [])]:
        assert Config("SASRec", "ml-100k", None, {key: same}).settings_dict().get(key, idle) == idle


def test_there_is_no_other_key() -> None:
    groups = [WORKING.keys(), FIXED.keys(), UNREAD.keys(), ELSEWHERE]
    assert sum(map(len, groups)) == len(set().union(*groups)), "a key is in two groups"
    assert set().union(*groups) == THEIRS | UNDECLARED


def test_arguments_of_recboles_own_run_are_no_settings() -> None:
    source = Path(recbole.__file__).parent / "quick_start" / "quick_start.py"  # which needs ray to be imported
    tree = ast.parse(source.read_text(encoding="utf-8"))
    run = next(it for it in tree.body if isinstance(it, ast.FunctionDef) and it.name == "run")
    several = {it.arg for it in run.args.args} - {"model", "dataset"}
    assert {"nproc", "world_size", "ip", "port"} <= several and not several & COMMON
    with pytest.raises(UsageError, match="nproc = 2: 1 runs here; start them by `torchrun"):
        Config("SASRec", "ml-100k", None, {"nproc": 2})
