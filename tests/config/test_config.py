"""Settings: where they come from, which are refused, and that they can be written down and read again."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
import yaml
from annotated_types import Ge
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType, dataset_arguments

from recbole_cl.config import config as config_module
from recbole_cl.config import models as registry
from recbole_cl.config import presets
from recbole_cl.config.config import Config
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.config.schema import MethodSettings, NotNegative
from recbole_cl.errors import UsageError


class ParentSettings(MethodSettings):
    flavour: Literal["sweet", "sour"]
    strength: NotNegative


class ChildSettings(ParentSettings):
    strength: Annotated[float, Ge(1)]


class Parent(SequentialRecommender):
    input_type = InputType.POINTWISE
    settings = ParentSettings


class Child(Parent):
    settings = ChildSettings


@pytest.fixture(autouse=True)
def visible_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """RecBole writes to the environment of the process."""
    monkeypatch.setattr(config_module, "_visible_before", {})
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    yield
    if before is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = before


@pytest.fixture
def props(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of presets that a test may add to."""
    folder = tmp_path / "props"
    shutil.copytree(props_dir(), folder)
    monkeypatch.setattr(presets, "__file__", str(tmp_path / "recbole_cl" / "config" / "presets.py"))
    return folder


def write(path: Path, **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(settings))
    return path


def message(*args: Any) -> str:
    """What a Config built from these arguments is refused with; always one line."""
    with pytest.raises(UsageError) as caught:
        Config(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_our_presets_outrank_those_of_recbole() -> None:
    config = Config("GRU4Rec", "ml-100k")
    assert config["train_batch_size"] == 256
    assert config["topk"] == [5, 10, 20]
    assert config["train_neg_sample_args"]["distribution"] == "none"
    assert config["num_layers"] == 1  # RecBole's own file of the model
    assert config["eval_args"] == {
        "split": {"LS": "valid_and_test"},
        "order": "TO",
        "group_by": "user",
        "mode": {"valid": "full", "test": "full"},
    }


def test_every_source_outranks_the_one_before(props: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    sizes = []

    def rank(settings: dict[str, Any], files: list[Path]) -> int:
        return int(Config("DuoRec", "toy", files, {"data_path": str(data), **settings})["MAX_ITEM_LIST_LENGTH"])

    for size, path in enumerate(
        [
            props / "overall.yaml",
            props / "model" / "DuoRec.yaml",
            props / "dataset" / "toy.yaml",
            data / "toy" / "toy.yaml",
            props / "experiment" / "DuoRec-toy.yaml",
        ],
        start=50,
    ):
        content = read_settings(path) if path.exists() else {}
        write(path, **{**content, "MAX_ITEM_LIST_LENGTH": 2 * size})
        sizes.append(rank({}, []))
    assert sizes == [100, 102, 104, 106, 108]
    one, two = write(tmp_path / "1.yaml", MAX_ITEM_LIST_LENGTH=2), write(tmp_path / "2.yaml", MAX_ITEM_LIST_LENGTH=4)
    assert rank({}, [one, two]) == 4
    assert rank({"MAX_ITEM_LIST_LENGTH": 8}, [one, two]) == 8


def test_the_command_line_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["prog", "--epochs=7", "--nonsense=1"])
    assert Config("GRU4Rec", "ml-100k")["epochs"] == 300


def test_text_is_never_evaluated(tmp_path: Path) -> None:
    path = str(tmp_path / "__import__('os').getcwd()")
    assert Config("GRU4Rec", "ml-100k", None, {"checkpoint_dir": path})["checkpoint_dir"] == path
    assert Config("GRU4Rec", "ml-100k", None, {"checkpoint_dir": "1 + 1"})["checkpoint_dir"] == "1 + 1"


def test_yaml_loaders_of_others_are_left_alone() -> None:
    before = deepcopy((yaml.FullLoader.yaml_implicit_resolvers, yaml.SafeLoader.yaml_implicit_resolvers))
    Config("GRU4Rec", "ml-100k")
    assert (yaml.FullLoader.yaml_implicit_resolvers, yaml.SafeLoader.yaml_implicit_resolvers) == before


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("seed: !!python/object/apply:os.getpid []\n")
    assert "not valid YAML" in message("GRU4Rec", "ml-100k", [path])


def test_the_lists_of_recbole_do_not_grow() -> None:
    before = list(dataset_arguments)
    Config("GRU4Rec", "ml-100k")
    assert dataset_arguments == before


def test_a_model_or_dataset_that_is_not_given_is_asked_for() -> None:
    assert f"no model: give one of {', '.join(registry.own_models())}" in message(None, "ml-100k")
    assert "dataset = None: expected the name of a folder" in message("SASRec")
    assert "unknown model 'Duorek': did you mean DuoRec?" in message("Duorek", "ml-100k")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- 1\n", "expected a mapping"),
        (b"seed: [1\n", "not valid YAML"),
        (b"\xff\xfe\xff", "cannot be read"),
        (b"mask_same_target: True\n", "'mask_same_target' is a setting of DuoRec, not of SASRec"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    text = message("SASRec", "ml-100k", [path])
    assert re.match(rf"{re.escape(str(path))}(, line 1|, line 2)?: ", text)
    assert expected in text


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert "gone.yaml: cannot be read (No such file or directory)" in message(
        "SASRec", "ml-100k", [tmp_path / "gone.yaml"]
    )


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert Config("SASRec", "ml-100k", [path]).settings_dict() == Config("SASRec", "ml-100k").settings_dict()


def test_another_recbole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module.metadata, "version", lambda name: "1.1.1")
    assert "RecBole 1.1.1 is installed: this plugin needs 1.2.1" in message("SASRec", "ml-100k")


def test_recbole_without_metadata_tells_its_version_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise config_module.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(config_module.metadata, "version", missing)
    Config("SASRec", "ml-100k")


def test_entries_of_eval_args_that_are_left_out_stay() -> None:
    config = Config("SASRec", "ml-100k", None, {"eval_args": {"group_by": None}})
    assert config["eval_args"]["group_by"] is None
    assert config["eval_args"]["order"] == "TO" and config["eval_args"]["split"] == {"LS": "valid_and_test"}


def test_the_callers_settings_are_not_written_to() -> None:
    given = {"eval_args": {"mode": "full"}, "metrics": "Hit", "valid_metric": "Hit@5", "topk": 5}
    Config("SASRec", "ml-100k", None, given)
    assert given == {"eval_args": {"mode": "full"}, "metrics": "Hit", "valid_metric": "Hit@5", "topk": 5}


def test_what_recbole_reads_undeclared_is_known() -> None:
    given = {"encoding": "utf-8", "discretization": None, "metrics": ["TailPercentage", "MRR"], "tail_ratio": 0.2}
    config = Config("SASRec", "ml-100k", None, given)
    assert (config["encoding"], config["tail_ratio"]) == ("utf-8", 0.2)


def test_a_model_that_replaces_one_of_recbole_does_not_take_its_settings() -> None:
    assert "loss_type" not in Config("SASRec", "ml-100k")
    theirs = Config(registry.recboles_model("SASRec"), "ml-100k")
    assert theirs["loss_type"] == "CE"
    assert "train_form" not in theirs


def test_settings_declared_by_a_class_are_checked_and_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("props", "model", "Parent.yaml"), flavour="sweet", strength=0.5)
    assert Config(Parent, "ml-100k")["flavour"] == "sweet"
    assert message(Child, "ml-100k") == "strength = 0.5: expected a number >= 1"
    config = Config(Child, "ml-100k", None, {"strength": 2})
    assert (config["model"], config["flavour"], config["strength"]) == ("Child", "sweet", 2)
    assert "flavour = 'salty'" in message(Parent, "ml-100k", None, {"flavour": "salty"})
    assert "unknown setting 'flavour'" in message("SASRec", "ml-100k", None, {"flavour": "sour"})


@pytest.mark.parametrize("declared", [{"strength": NotNegative}, MethodSettings, ParentSettings])
def test_what_is_declared_extends_the_settings_of_the_base(declared: Any) -> None:
    estranged = type("Estranged", (Child,), {"settings": declared})
    assert message(estranged, "ml-100k") == "settings of Estranged: expected a class that extends ChildSettings"


def test_a_declared_setting_needs_a_value() -> None:
    assert "flavour, strength: no value" in message(Parent, "ml-100k")


@pytest.mark.parametrize(
    ("gpu_id", "visible"), [(0, "0"), ("0", "0"), ("0,1", "0,1"), ([0, 1], "0,1"), ("", ""), (None, "")]
)
def test_devices_are_given_as_number_text_list_or_nothing(gpu_id: object, visible: str) -> None:
    config = Config("SASRec", "ml-100k", None, {"gpu_id": gpu_id})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == config["gpu_id"] == visible


@pytest.mark.parametrize(("before", "visible"), [(None, "0"), ("3", "3"), ("", "")])
def test_a_choice_of_devices_in_the_environment_stays(
    before: str | None, visible: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if before is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    config = Config("SASRec", "ml-100k")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == config["gpu_id"] == visible
    assert config.settings_dict()["gpu_id"] == "visible"  # what a run stores, and another machine reads


def test_one_runs_choice_of_devices_is_not_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    for gpu_id, visible in (("", ""), ("visible", "3"), (1, "1"), (0, "0"), ("visible", "3"), ("visible", "3")):
        config = Config("SASRec", "ml-100k", None, {"gpu_id": gpu_id})
        assert os.environ["CUDA_VISIBLE_DEVICES"] == config["gpu_id"] == visible


def test_use_gpu_false_means_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Config("SASRec", "ml-100k", None, {"use_gpu": True})["device"].type == "cuda"
    assert Config("SASRec", "ml-100k", None, {"use_gpu": False})["device"].type == "cpu"


@pytest.mark.parametrize("model", [*registry.own_models(), "GRU4Rec", "Caser"])
def test_settings_can_be_written_and_read_again(model: str, tmp_path: Path) -> None:
    given = {
        "learning_rate": np.float64(2e-4),
        "topk": (5, 10, 20),
        "data_path": "elsewhere",
        "eval_args": {"group_by": None},
    }
    first = Config(model, "ml-100k", None, given)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(first.settings_dict()))
    again = Config(None, None, [path])
    assert again.settings_dict() == first.settings_dict()
    assert again.final_config_dict == first.final_config_dict
    assert yaml.safe_load(path.read_text())["model"] == first["model"]


def test_settings_hold_nothing_derived_and_no_path_of_this_machine() -> None:
    settings = Config("SASRec", "ml-100k").settings_dict()
    assert settings["data_path"] == "dataset/"
    assert not {"device", "MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "single_spec", "valid_metric_bigger"} & set(
        settings
    )


def test_settings_are_a_copy() -> None:
    config = Config("SASRec", "ml-100k")
    config.settings_dict()["eval_args"]["split"] = None
    assert config.settings_dict()["eval_args"]["split"] == {"LS": "valid_and_test"}


@pytest.mark.parametrize(
    "path",
    sorted(path for path in props_dir().rglob("*.yaml") if "search" not in path.parent.parts),
    ids=lambda path: path.stem,
)
def test_every_preset_passes_the_checks(path: Path) -> None:
    kind, name = path.parent.name, path.stem
    of_kind = {"model": (name, "ml-100k"), "dataset": ("SASRec", name), "experiment": name.split("-", 1)}
    model, dataset = of_kind.get(kind, ("Contrastive" if kind == "preset" else "SASRec", "ml-100k"))
    files = [path] if kind in ("preset", "recipe") else None  # which nobody gets unasked
    bases = {"EncoderRecommender": "SASRec", "ContrastiveRecommender": "DuoRec", "AugmentingRecommender": "CL4SRec"}
    bases |= {"GeneralRecommender": "BPR"}
    model = bases.get(model, model)
    settings = for_model(read_settings(path), model, str(path))
    assert settings or path.stem == "SASRec"  # which has no setting of its own
    held = Config(model, dataset, config_file_list=files).settings_dict()
    assert {key: held[key] for key in settings} == settings


def test_every_model_of_recbole_passes_the_common_checks() -> None:
    for name in {*registry.available_models()} - {"KSR"}:  # which is refused, in test_recboles.py
        Config(name, "ml-100k")


def test_presets_do_not_depend_on_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Config("SASRec", "ml-100k")["train_batch_size"] == 256


def test_a_misspelt_key_of_a_users_preset_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "props" / "model").mkdir(parents=True)
    (tmp_path / "props" / "model" / "Mine.yaml").write_text("hiden_size: 32\n")
    (tmp_path / "mine.py").write_text("from recbole_cl.model.sasrec import SASRec\n\nclass Mine(SASRec):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"Mine.yaml, line 1: unknown setting 'hiden_size'; did you mean hidden_size"):
        Config("mine.Mine", "ml-100k")


def test_what_an_earlier_version_stored_without_effect_is_left_out() -> None:
    stored = {"model": "SASRec", "dataset": "ml-100k", "worker": 4, "dataset_save_path": "somewhere", "seed": 7}
    settings = Config(stored=stored).settings_dict()
    assert (settings["seed"], settings.get("worker", 0), settings.get("dataset_save_path")) == (7, 0, None)


def test_a_run_of_before_anchor_draw_keeps_the_draw_that_it_had() -> None:
    stored = {"model": "DuoRec", "dataset": "ml-100k", "train_form": "sequence", "anchors_per_row": 1}
    assert Config(stored=stored)["anchor_draw"] == "per_row"
    assert Config(stored=stored | {"anchor_draw": "per_target"})["anchor_draw"] == "per_target"
    assert Config(None, None, None, {key: stored[key] for key in ("model", "dataset")})["anchor_draw"] == "per_target"
    assert "anchor_draw" not in Config(stored={"model": "GRU4Rec", "dataset": "ml-100k"}).settings_dict()
