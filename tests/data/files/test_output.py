"""What a dataset of one's own is written as: order, numbers, settings, and the name that it may have."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from recbole_cl.data.files import output
from recbole_cl.data.files.output import (
    Output,
    Statistics,
    atomic_text,
    chronological,
    dataset_settings,
    packaged_settings,
)
from recbole_cl.errors import UsageError

PRESETS = sorted((Path(__file__).parents[3] / "props" / "dataset").glob("*.yaml"))


def table(*rows: tuple[object, object, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])


def test_users_stay_in_order_of_appearance_and_each_ones_events_in_order_of_time() -> None:
    events = table(("b", 1, 9.0), ("a", 2, 5.0), ("b", 3, 4.0), ("a", 4, 5.0))
    assert chronological(events)["item_id"].tolist() == [3, 1, 2, 4]
    assert events["item_id"].tolist() == [1, 2, 3, 4]  # the caller's table is left as it was


def test_whole_times_are_written_without_a_fraction_and_others_in_full() -> None:
    header = b"user_id:token\titem_id:token\ttimestamp:float\n"
    assert atomic_text(table(("a", "x", 1.4e9))) == header + b"a\tx\t1400000000\n"
    assert atomic_text(table(("a", "x", 1.4e9), ("a", "y", 0.5))) == header + b"a\ty\t0.5\na\tx\t1400000000.0\n"
    assert atomic_text(table(("a", "x", 2.0**60))) == header + b"a\tx\t1.152921504606847e+18\n"


def test_statistics_are_those_of_a_count_by_hand() -> None:
    counted = Statistics.of(table(("a", "x", 1), ("b", "x", 1), ("a", "x", 2), ("a", "y", 3)))
    assert counted == Statistics(2, 2, 4, 1, (1.0, 1.5, 2.0, 2.5, 3.0))
    assert counted.density == 1.0


def test_a_converted_yelp_keeps_the_year_where_it_has_times() -> None:
    packaged = packaged_settings("yelp")
    assert packaged is not None
    with_times = dataset_settings(packaged, has_times=True)
    by_position = dataset_settings(packaged, has_times=False)
    assert with_times["val_interval"] == {"timestamp": packaged["val_interval"]["date"]}
    assert by_position["val_interval"] is None
    assert {"ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}.items() <= by_position.items()


def test_the_settings_file_names_the_way_to_write_it_anew(tmp_path: Path) -> None:
    files = Output("shop", tmp_path, again="the spell")
    files.write(b"rows", has_times=True)
    assert files.inter.read_bytes() == b"rows"
    assert "`the spell` writes them again" in files.settings.read_text()
    with pytest.raises(UsageError, match="shop.inter exists: choose"):
        files.refuse_existing("choose")
    files.inter.unlink()
    with pytest.raises(UsageError, match="shop.yaml exists: choose"):
        files.refuse_existing("choose")


def test_a_write_that_fails_leaves_nothing_in_the_way_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError("no space left")

    files = Output("shop", tmp_path, again="")
    with monkeypatch.context() as patch:
        patch.setattr(output, "atomic_writer", full)
        with pytest.raises(OSError, match="no space left"):
            files.write(b"rows", has_times=True)
    files.refuse_existing("")
    files.write(b"rows", has_times=True)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b", "../x", "a b", "ml-100k"])
def test_a_name_that_recbole_could_not_find_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        Output(name, tmp_path, again="")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_whole_and_commented(preset: Path) -> None:
    text = preset.read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    fields = [settings[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")]
    assert settings["load_col"] == {"inter": fields}
    assert settings["user_inter_num_interval"] == settings["item_inter_num_interval"] == "[5,inf)"
    assert settings["MAX_ITEM_LIST_LENGTH"] == 50
    assert all(block.lstrip().startswith("#") for block in text.split("\n\n"))
