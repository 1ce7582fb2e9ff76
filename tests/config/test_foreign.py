"""Keys that are passed over, with a word; and those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.config import Config
from recbole_cl.config.foreign import HARMLESS
from recbole_cl.config.known import refuse_unknown_flags
from recbole_cl.errors import UsageError


def settings(given: dict[str, Any], *files: Path) -> dict[str, Any]:
    return Config("SASRec", "ml-100k", files, given).settings_dict()


def test_recboles_keys_that_change_nothing_are_named_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    given = {"worker": 4, "save_dataset": True, "LABEL_FIELD": "label", "nproc": 1, "valid_metric_bigger": True}
    assert settings(given) == settings({})
    assert [record.message for record in caplog.records] == [
        f"without effect here: save_dataset = True ({HARMLESS['save_dataset']}); worker = 4 ({HARMLESS['worker']})"
    ]


@pytest.mark.parametrize("key", HARMLESS)
def test_a_value_that_recbole_does_not_have_for_them_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"^{key}|'{key}'"):
        settings({key: 0.5})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nproc": 4}, "nproc = 4: 1 runs here; start them by `torchrun --nproc_per_node=4"),
        ({"eval_step": 0}, "eval_step = 0: expected an integer >= 1"),
        ({"transform": "mask_itemseq"}, "transform = 'mask_itemseq'"),
        ({"benchmark_filename": ["a"]}, "benchmark_filename"),
        ({"flavour": 1}, "unknown setting 'flavour'"),  # by a keyword or a flag it is a mistake
    ],
)
def test_what_would_change_figures_is_refused_with_a_reason(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settings(given)


def test_values_that_mean_the_same_as_in_recbole_are_taken() -> None:
    config = Config("SASRec", "ml-100k", config_dict={"stopping_step": 0, "gpu_id": -1})
    assert config["stopping_step"] == 0 and config["device"].type == "cpu"


def test_foreign_keys_in_a_file_are_named_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text("has_gt: True\nd_state: 3\nepochs: 4\n")
    assert settings({}, file) == settings({"epochs": 4})
    assert [it.message for it in caplog.records] == [f"{file}: nothing here reads has_gt, d_state"]
    refuse_unknown_flags("SASRec", [file], {})


@pytest.mark.parametrize("line", ["lr: 1", "learning_rat: 1", "EPOCHS: 3", "mask_same_target: True"])
def test_what_looks_like_a_setting_of_ours_is_not(line: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(line + "\n")
    key = line.split(":")[0]
    with pytest.raises(UsageError, match=f"theirs.yaml, line 1: .*'{key}'"):
        settings({}, file)
    with pytest.raises(UsageError, match=f"theirs.yaml, line 1: .*'{key}'"):
        refuse_unknown_flags("SASRec", [file], {})
