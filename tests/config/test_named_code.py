"""Whose settings may name code to import: the caller's, and not those that come with data or in a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry


def write(path: Path, **settings: Any) -> Path:
    path.write_text(yaml.safe_dump(settings))
    return path


def refusal(settings: dict[str, str]) -> str:
    """What DuoRec on toy is refused with: one line."""
    with pytest.raises(UsageError) as caught:
        Config("DuoRec", "toy", None, settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def beside(folder: Path, text: str) -> dict[str, str]:
    """Writes YAML beside the data of the dataset toy, and returns the settings that find it."""
    (folder / "toy").mkdir()
    (folder / "toy" / "toy.yaml").write_text(text)
    return {"data_path": str(folder)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model: SASRec",
            "model = SASRec: YAML beside data cannot name a model; leave model out, and set it by --model",
        ),
        ("model: outside.method.Mine", "model = outside.method.Mine: YAML beside data cannot name a model"),
        (
            "encoder: outside.encoder.Mine",
            "YAML beside data cannot name code (outside.encoder.Mine); leave encoder out",
        ),
        ("metrics: [Hit, 'outside:metric']", "cannot name code (outside:metric); leave metrics out"),
        ("contrast: {a: [{subprocess.run: 1}]}", "cannot name code (subprocess.run)"),
        (
            "checkpoint_dir: saved/other\nresume: saved/run\nMAX_ITEM_LIST_LENGTH: 20",
            "checkpoint_dir, resume: YAML beside",
        ),
    ],
)
def test_yaml_beside_data_names_no_code_and_decides_on_data_alone(tmp_path: Path, text: str, words: str) -> None:
    refused = refusal(beside(tmp_path, text))
    assert refused.startswith(f"{tmp_path / 'toy' / 'toy.yaml'}: ") and words in refused


def test_yaml_beside_data_may_have_fields_with_dots(tmp_path: Path) -> None:
    text = "USER_ID_FIELD: user.id\nload_col: {inter: [user.id, item_id, timestamp]}\n"
    assert Config("DuoRec", "toy", None, beside(tmp_path, text))["USER_ID_FIELD"] == "user.id"


THINGS: Registry[object] = Registry("thing", {})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module in the working folder that has not been imported, and whose name no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"named_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text("def thing(): ...\n")
    return name


@pytest.mark.parametrize("form", ["setting", "inner", "file"])
def test_what_the_callers_settings_and_files_name_may_be_imported(module: str, form: str) -> None:
    # A setting that takes any text, for there are many that could name code.
    path, file = f"{module}.thing", write(Path("mine.yaml"), wandb_project=f"{module}.thing")
    forms: dict[str, dict[str, Any]] = {"setting": {"wandb_project": path}, "file": {}}
    forms["inner"] = {"load_col": {"inter": ["user_id", path]}}
    Config("DuoRec", "ml-100k", [file] if form == "file" else [], forms[form])
    assert THINGS.resolve(path).__module__ == module


@pytest.mark.parametrize("form", ["file", "mapping", "beside"])
def test_what_stored_settings_or_yaml_beside_data_name_may_not(module: str, form: str) -> None:
    path = f"{module}.thing"
    settings = beside(Path.cwd(), f"TIME_FIELD: {path}\n") | {"wandb_project": path}
    stored = write(Path("stored.yaml"), **settings) if form == "file" else settings
    if form == "beside":
        Config("DuoRec", "toy", None, {"data_path": settings["data_path"]})
    else:
        assert Config("DuoRec", "toy", stored=stored)["wandb_project"] == path  # reads the YAML beside the data, too
    with pytest.raises(UsageError, match=f"^thing {path}: named only by a stored file"):
        THINGS.resolve(path)
    assert module not in sys.modules


def test_stored_settings_lie_below_the_callers(tmp_path: Path) -> None:
    stored = write(tmp_path / "stored.yaml", model="SASRec", dataset="ml-100k", n_layers=3, epochs=3, seed=3)
    mine = write(tmp_path / "mine.yaml", epochs=4, seed=4)
    config = Config(None, None, [mine], {"seed": 5}, stored=stored)
    assert [config[key] for key in ("model", "n_layers", "epochs", "seed")] == ["SASRec", 3, 4, 5]
    write(stored, model="SASRec", dataset="ml-100k", n_layer=3)
    with pytest.raises(UsageError, match=f"^{stored}, line 3: unknown setting 'n_layer'"):
        Config(stored=stored)
    with pytest.raises(UsageError, match="^unknown setting 'n_layer'"):
        Config("SASRec", "ml-100k", stored={"n_layer": 3})
