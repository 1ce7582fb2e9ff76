"""Where presets are found, and how YAML is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.config import presets as props_files
from recbole_cl.config.presets import parse_yaml, props_dir, read_settings
from recbole_cl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-1E5", -1e5), (".5", 0.5), ("3", 3), ("[5,10]", [5, 10]), ("~", None), ("null", None)]
    + [("True", True), ("a-1", "a-1"), ("1.2.3", "1.2.3"), ("{LS: a}", {"LS": "a"}), ("'1'", "1"), ("e5", "e5")],
)
def test_yaml_knows_numbers_as_recbole_does(text: str, value: object) -> None:
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_presets_are_found_in_an_installed_package_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(props_files, "__file__", str(tmp_path / "recbole_cl" / "config" / "presets.py"))
    with pytest.raises(UsageError, match="has no presets: install the package again"):
        props_dir()
    for folder in (tmp_path / "props", tmp_path / "recbole_cl" / "props"):
        folder.mkdir(parents=True)
    (tmp_path / "props" / "overall.yaml").write_text("seed: 1")
    assert props_dir() == tmp_path / "props"
    (tmp_path / "recbole_cl" / "props" / "overall.yaml").write_text("seed: 1")
    assert props_dir() == tmp_path / "recbole_cl" / "props"


def test_a_preset_is_found_from_any_folder_but_a_file_of_that_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "props/experiment/SRMA-amazon-sports-outdoors-paper.yaml"
    assert read_settings(name)["complement"] == "gru"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("complement: none")
    assert read_settings(name) == {"complement": "none"}
    with pytest.raises(UsageError, match="^props/gone.yaml: cannot be read"):
        read_settings("props/gone.yaml")
