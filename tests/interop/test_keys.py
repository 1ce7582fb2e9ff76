"""The page about RecBole's keys is up to date, and has every key of RecBole's."""

from __future__ import annotations

from pathlib import Path

from recbole.utils import dataset_arguments, evaluation_arguments, general_arguments, training_arguments

from recbole_cl.interop.keys import page

PAGE = Path(__file__).parents[2] / "docs" / "recbole_keys.md"


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m recbole_cl.interop.keys > docs/recbole_keys.md"


def test_no_key_is_left_out() -> None:
    listed = {line.split("`")[1] for line in page().splitlines() if line.startswith("| `")}
    theirs = {*general_arguments, *training_arguments, *evaluation_arguments, *dataset_arguments} - {"config_file"}
    assert theirs <= listed
