"""What RecBole's steps do to interactions: in order of exact times, then of the file; what goes is counted."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.errors import UsageError

Event = tuple[str, str, int]


def load(folder: Path, events: list[Event], header: str = "user_id item_id timestamp", **settings: Any) -> Any:
    user, item, time = header.split()
    lines = [f"{user}:token\t{item}:token\t{time}:float", *("\t".join(map(str, event)) for event in events)]
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    config = Config("SASRec", "shop", config_dict={"data_path": str(folder), "use_gpu": False, **settings})
    dataset = ContrastiveDataset(config)
    dataset.build()
    return dataset


def sequences(dataset: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    users, items = (dataset.flat[field].numpy() for field in (dataset.uid_field, dataset.iid_field))
    for user, item in zip(users, items, strict=True):
        found.setdefault(dataset.id2token(dataset.uid_field, user), []).append(
            dataset.id2token(dataset.iid_field, item)
        )
    return found


def expected(events: list[Event]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user, item, _ in sorted(events, key=lambda event: event[2]):
        found.setdefault(user, []).append(item)
    return found


@pytest.mark.parametrize("start", [1_600_000_000, 1_600_000_000_147, 1_600_000_000_123_456_789])
@pytest.mark.parametrize("scaled", [False, True])
def test_times_that_float32_cannot_tell_apart_keep_their_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, start: int, scaled: bool
) -> None:
    events = [(f"u{user}", f"i{(7 * step + user) % 20}", start + step) for user in range(8) for step in range(9)]
    random.Random(1).shuffle(events)
    with caplog.at_level(logging.WARNING):
        assert sequences(load(tmp_path, events, normalize_all=scaled)) == expected(events)
    assert not caplog.text


@pytest.mark.parametrize("keep", ["first", "last"])
def test_leaving_out_repeats_keeps_the_order_of_the_file_among_equal_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep: str
) -> None:
    rng = random.Random(2)
    events = [(f"u{user}", f"i{rng.randrange(40)}", 86400 * (k // 10)) for user in range(40) for k in range(30)]
    once: dict[tuple[str, str], Event] = {}
    for event in events if keep == "last" else reversed(events):
        once.pop(event[:2], None)
        once[event[:2]] = event
    kept = list(once.values())[:: 1 if keep == "last" else -1]
    with caplog.at_level(logging.INFO):
        assert sequences(load(tmp_path, events, rm_dup_inter=keep)) == expected(kept)
    said = f"{len(events) - len(kept):,} of 1,200 interactions left out: a user has the item several times"
    assert said in caplog.text


def test_filters_say_what_they_leave_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = [(f"u{user}", f"i{step}", step) for user in range(6) for step in range(6)] + [("rare", "i0", 7)]
    with caplog.at_level(logging.INFO):
        load(tmp_path, events, user_inter_num_interval="[5,inf)", val_interval={"timestamp": "[0,6]"})
    assert "1 of 37 interactions left out: outside val_interval" in caplog.text
    events += [("rare", "i0", 4)]
    with caplog.at_level(logging.INFO):
        load(tmp_path, events, user_inter_num_interval="[5,inf)")
    assert "2 of 38 interactions left out: user_inter_num_interval = [5,inf)" in caplog.text


def test_the_filter_that_leaves_nothing_is_named(tmp_path: Path) -> None:
    events = [(f"u{user}", f"00{step}", step) for user in range(6) for step in range(6)]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.item").write_text("item_id:token\n" + "".join(f"{step}\n" for step in range(6)))
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id"]}
    with pytest.raises(UsageError, match="36 interactions were left out .their user or item is not in the .user or"):
        load(tmp_path, events, load_col=columns, filter_inter_by_user_or_item=True)
    with pytest.raises(UsageError, match=r"nothing of shop is left: .*item_inter_num_interval = \[9,inf\)"):
        load(tmp_path, events, item_inter_num_interval="[9,inf)")


def test_items_that_nobody_has_met_are_told_of_or_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = [(f"u{user}", f"i{step}", step) for user in range(4) for step in range(5)]
    (tmp_path / "shop").mkdir()
    lines = ["item_id:token\tcats:token_seq", *(f"i{item}\ta b" for item in range(25)), "i3\tc"]
    (tmp_path / "shop" / "shop.item").write_text("\n".join(lines))
    assert load(tmp_path, events).item_num == 6
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "cats"]}
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, events, load_col=columns).item_num == 26
    assert "20 items of shop.item have no interaction and are ranked as candidates beside 5 others" in caplog.text
    assert "1 lines repeat a item_id: the first of each is kept" in caplog.text
    caplog.clear()
    dataset = load(tmp_path, events, load_col=columns, only_seen_items=True)
    assert dataset.item_num == 6 and len(dataset.item_feat) == 6 and "candidates" not in caplog.text


def test_columns_of_other_names_are_loaded_when_they_are_named(tmp_path: Path) -> None:
    events = [(f"u{user}", f"i{step}", step) for user in range(4) for step in range(5)]
    names = {"USER_ID_FIELD": "session_id", "TIME_FIELD": "time"}
    dataset = load(tmp_path, events, "session_id item_id time", **names)
    assert sequences(dataset) == expected(events)
    with pytest.raises(UsageError, match="load_col.inter = .*'session_id'.* must be loaded, too"):
        load(tmp_path, events, "session_id item_id time", **names, load_col={"inter": ["item_id", "time"]})


def test_a_known_name_without_settings_tells_that_nothing_is_filtered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = [(f"u{user}", f"i{step}", step) for user in range(4) for step in range(5)]
    load(tmp_path, events)
    (tmp_path / "shop").rename(tmp_path / "yelp-full")
    (tmp_path / "yelp-full" / "shop.inter").rename(tmp_path / "yelp-full" / "yelp-full.inter")
    with caplog.at_level(logging.WARNING):
        ContrastiveDataset(Config("SASRec", "yelp-full", config_dict={"data_path": str(tmp_path), "use_gpu": False}))
    assert "yelp-full has no settings here and no filter applies" in caplog.text
