"""What a run is made of, and the settings and data that are refused before anything is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.config.models import model_class
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.groups import item_counts
from recbole_cl.runs.build import build_config, build_data, build_model, resume_asked_for
from recbole_cl.testing.toy import N_ITEMS, N_USERS, write_cycle


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"use_gpu": False} | write_cycle(tmp_path)


@pytest.mark.filterwarnings("error::FutureWarning")
def test_reading_data_shows_no_warning_that_is_meant_for_recbole(settings: dict[str, Any]) -> None:
    dataset, splits = build_data(build_config("SASRec", "cycle", (), settings))
    assert dataset.user_num == N_USERS + 1 and len(splits) == 3


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"val_interval": {"user_id": "[1,5]"}}, "cycle can't be read with these data settings"),
        ({"val_interval": {"price": "[1,5"}}, r"val_interval.price = '\[1,5': expected an interval"),
        ({"val_interval": {"price": [1, 5]}}, r"val_interval.price = \[1, 5\]: expected an interval"),
        (
            {"unload_col": {"inter": ["timestamp"]}},
            r"unload_col.inter = \['timestamp'\]: \['timestamp'\] must be loaded",
        ),
        ({"unused_col": {"inter": ["item_id"]}}, r"unused_col.inter = \['item_id'\]: every run uses item_id"),
        ({"unused_col": {"inter": "*"}}, r"unused_col.inter = '\*': expected a list"),
    ],
)
def test_what_does_not_fit_its_column_is_refused(more: dict[str, Any], words: str, settings: dict[str, Any]) -> None:
    prices = "".join(f"i{item}\t{item}\n" for item in range(20))
    Path(settings["data_path"], "cycle", "cycle.item").write_text(f"item_id:token\tprice:float\n{prices}")
    with pytest.raises(UsageError, match=words):
        build_data(build_config("SASRec", "cycle", (), settings | {"load_col": None} | more))


@pytest.mark.parametrize("precision", ["high", "highest"])
def test_building_a_model_sets_the_precision_of_products(settings: dict[str, Any], precision: str) -> None:
    config = build_config("SASRec", "cycle", (), settings | {"float32_precision": precision})
    build_model(config, build_data(config)[1][0])
    assert torch.get_float32_matmul_precision() == precision
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("model", "own"),
    [("CORE", {"dnn_type": "foo"}), ("NARM", {"dropout_probs": [0.5]}), ("HGN", {"pooling_type": "foo"})],
)
def test_values_that_a_model_of_recboles_fails_on_are_told_in_one_line(
    model: str, own: dict[str, Any], settings: dict[str, Any]
) -> None:
    config = build_config(model, "cycle", (), settings | own)
    with pytest.raises(UsageError, match=f"{model} can't be built .*compare those that you set with RecBole's {model}"):
        build_model(config, build_data(config)[1][0])


@pytest.mark.parametrize(("model", "failure"), [("SASRec", "allocate"), ("GRU4Rec", "overflow"), ("SASRec", "memory")])
def test_a_model_that_does_not_fit_into_memory_is_told_by_its_sizes(
    model: str, failure: str, settings: dict[str, Any]
) -> None:
    errors = {"allocate": RuntimeError("you tried to allocate memory"), "overflow": RuntimeError("overflowed")}

    class Large(model_class(model)):  # type: ignore[misc]  # a class that is found by name
        def __init__(self, *args: object) -> None:
            raise errors.get(failure, MemoryError())

    given = {"hidden_size": 4096, "inner_size": 16, "MAX_ITEM_LIST_LENGTH": 60, "epochs": 10_000, "stopping_step": 99}
    if model == "GRU4Rec":
        given.pop("inner_size")
    config = build_config(Large, "cycle", (), settings | given)
    words = "^MAX_ITEM_LIST_LENGTH = 60, hidden_size = 4096: the model needs more memory than is available"
    with pytest.raises(UsageError, match=words):
        build_model(config, build_data(config)[1][0])


@pytest.mark.parametrize("key", ["hidden_size", "inner_size", "n_layers", "n_heads", "MAX_ITEM_LIST_LENGTH"])
@pytest.mark.parametrize("size", [10**15, 1e15, 2**40])
def test_absurd_sizes_are_refused_before_data_are_read(key: str, size: float, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=rf"^{key} = \S+: expected an integer in \[1, \d+\]$"):
        build_config("SASRec", "cycle", (), settings | {key: size})


def test_the_last_file_tells_which_run_goes_on_and_a_setting_above_all_files(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")]
    for file, text in zip(files, ("resume: first\n", "resume: second\n", "epochs: 1\n"), strict=True):
        file.write_text(text)
    assert resume_asked_for({}, files) == "second" and resume_asked_for({}, files[0]) == "first"
    assert resume_asked_for({"resume": "third"}, files) == "third"
    assert resume_asked_for({"resume": None}, files) is None and resume_asked_for({}, ()) is None


def test_a_share_of_the_users_is_trained_on_and_all_are_tested(settings: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "cycle" / "cycle.inter"
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([header, *sorted(lines, key=lambda line: -int(line[1 : line.index("\t")]))]) + "\n")
    config = build_config("SASRec", "cycle", (), settings | {"train_users_share": 0.26})
    data, (train, valid, test) = build_data(config)
    trained = set(data.id2token("user_id", train.inter_feat["user_id"]))
    assert trained == {f"u{user}" for user in range(N_USERS - 20, N_USERS)}  # the file is in falling order
    assert len(valid.inter_feat) == len(test.inter_feat) == N_USERS and data.item_num == N_ITEMS + 1
    assert item_counts(train).sum() == sum(5 + user % 12 - 2 for user in range(N_USERS - 20, N_USERS))
    with pytest.raises(UsageError, match="train_users_share = 0.0: expected"):
        build_config("SASRec", "cycle", (), settings | {"train_users_share": 0.0})
