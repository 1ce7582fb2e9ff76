"""Converted files hold what the source holds, in an order that RecBole keeps."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from recbole.config import Config
from recbole.data.dataset import SequentialDataset

from recbole_cl.data.files import convert
from recbole_cl.data.files.atomic import read_atomic_file
from recbole_cl.data.files.convert import add_arguments, main
from recbole_cl.data.files.output import Statistics
from recbole_cl.data.files.sources import read_log
from recbole_cl.errors import UsageError

NEEDED = {"user_id": "token", "item_id": "token", "timestamp": "float"}
PRESETS = sorted((Path(__file__).parents[3] / "props" / "dataset").glob("*.yaml"))


def written(folder: Path, name: str = "shop") -> list[str]:
    """Lines of the converted file, which RecBole's checks accept."""
    path = folder / name / f"{name}.inter"
    read_atomic_file(path, NEEDED, time_field="timestamp")
    return path.read_text(encoding="utf-8").splitlines()


def converted(source: Path, source_format: str | None, name: str = "shop", **options: Any) -> Statistics:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args([str(source), f"--name={name}", f"--output={source.parent}"])
    vars(args).update(options, format=source_format)
    main(args)
    return Statistics.of(read_log([source], convert._reading(args)).interactions)


def convert_text(folder: Path, text: str, source_format: str | None, **options: Any) -> Statistics:
    source = folder / f"source.{source_format}"
    source.write_text(text, encoding="utf-8")
    return converted(source, source_format, **options)


def load(monkeypatch: pytest.MonkeyPatch, name: str, files: list[Path], **settings: Any) -> SequentialDataset:
    """Loads a dataset as RecBole does."""
    monkeypatch.setattr(sys, "argv", ["test"])
    settings |= {"train_neg_sample_args": None}
    return SequentialDataset(
        Config("SASRec", name, config_file_list=[str(file) for file in files], config_dict=settings)
    )


def test_csv_columns_are_renamed_sorted_and_kept_as_written(tmp_path: Path) -> None:
    text = 'stars,who,what,when,note\n5,zoë,007,20,x\n4,bo,1,3,y\n3.5,zoë,"a, b",10,z\n'
    columns = {"user_column": "who", "item_column": "what", "time_column": "when", "rating_column": "stars"}
    statistics = convert_text(tmp_path, text, "csv", **columns)
    assert written(tmp_path) == [
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "zoë\ta, b\t3.5\t10",
        "zoë\t007\t5.0\t20",
        "bo\t1\t4.0\t3",
    ]
    assert (statistics.users, statistics.items, statistics.interactions) == (2, 3, 3)


def test_names_in_files_do_nothing_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\n\x1b[2J,a,1\nbo,b,2\n")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = [str(tmp_path / "log.csv"), "--name", "shop", "--output", str(tmp_path / "out")]
    assert main(parser.parse_args(arguments)) == 0
    assert "\x1b" not in (out := capsys.readouterr().out) and "\\x1b[2J" in out


def test_a_rating_is_taken_where_it_is_and_left_out_on_request(tmp_path: Path) -> None:
    text = "user_id;item_id;rating;timestamp\n1;2;3;4.25\n"
    convert_text(tmp_path, text, "csv", separator=";")
    assert written(tmp_path)[1] == "1\t2\t3\t4.25"
    convert_text(tmp_path, text, "csv", separator=";", overwrite=True, rating_column="")
    assert written(tmp_path) == ["user_id:token\titem_id:token\ttimestamp:float", "1\t2\t4.25"]


def test_json_lines_with_amazons_keys(tmp_path: Path) -> None:
    rows = [("B", "x", 5.0, 1400000001), ("A", 7, 4.0, "1400000000"), ("B", 'say "hi"\tnow', 1.0, 1400000000)]
    keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    text = "\n\n".join(json.dumps(dict(zip(keys, row, strict=True), summary="s")) for row in rows)
    source = tmp_path / "reviews.json.gz"
    source.write_bytes(gzip.compress(text.encode()))
    columns = {"user_column": "reviewerID", "item_column": "asin", "time_column": "unixReviewTime"}
    converted(source, "jsonl", **columns, rating_column="overall")
    frame = pd.read_csv(tmp_path / "shop" / "shop.inter", sep="\t", dtype=str)
    assert frame["item_id:token"].tolist() == ['say "hi"\tnow', "x", "7"]
    assert frame["timestamp:float"].tolist() == ["1400000000", "1400000001", "1400000000"]
    assert frame["rating:float"].tolist() == ["1", "5", "4"]


def test_sequence_text_is_timed_by_position(tmp_path: Path) -> None:
    statistics = convert_text(tmp_path, "9 5 6 5\n\n3 6\n9 8\n", "sequences")
    rows = ["9\t5\t1", "9\t6\t2", "9\t5\t3", "9\t8\t4", "3\t6\t1"]
    assert written(tmp_path) == ["user_id:token\titem_id:token\ttimestamp:float", *rows]
    assert statistics == Statistics(2, 3, 5, 1, (1.0, 1.75, 2.5, 3.25, 4.0))


def test_all_formats_give_these_bytes(tmp_path: Path) -> None:
    """As the first version of the command wrote them."""
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    texts = {
        "csv": (
            'user_id,item_id,timestamp\nzoë,"a""b",20\nbo,x,3\nzoë,"c\td",1.25\n',
            'zoë\t"c\td"\t1.25\nzoë\t"a""b"\t20.0\nbo\tx\t3.0\n',
        ),
        "jsonl": (
            '{"user_id": 7.0, "item_id": "007", "timestamp": "20"}\n{"user_id": 7.0, "item_id": -1, "timestamp": 20}\n',
            "7.0\t007\t20\n7.0\t-1\t20\n",
        ),
        "sequences": ("2 8 9\n1 8\n", "2\t8\t1\n2\t9\t2\n1\t8\t1\n"),
    }
    settings = """\
# Settings of shop.inter beside this file. They override packaged settings of a dataset of that name;
# experiment files and the command line override them. `recbole-cl convert --overwrite` writes them again.

# Column of the users.
USER_ID_FIELD: "user_id"

# Column of the items.
ITEM_ID_FIELD: "item_id"

# Column of the times, oldest first; a position where the source had no times.
TIME_FIELD: "timestamp"

# Columns to load; these methods use no rating.
load_col: {"inter": ["user_id", "item_id", "timestamp"]}

# Interactions that a user needs to stay; alternates with the next filter.
user_inter_num_interval: "[5,inf)"

# Interactions that an item needs to stay.
item_inter_num_interval: "[5,inf)"

# Most recent items that a model sees, in items.
MAX_ITEM_LIST_LENGTH: 50
"""
    for source_format, (text, rows) in texts.items():
        convert_text(tmp_path, text, source_format, overwrite=True)
        assert (tmp_path / "shop" / "shop.inter").read_bytes().decode() == header + rows
        assert (tmp_path / "shop" / "shop.yaml").read_bytes().decode() == settings


def test_events_at_one_time_keep_the_order_of_the_source(tmp_path: Path) -> None:
    items = [f"i{k}" for k in range(40)]
    text = "user_id,item_id,timestamp\n" + "".join(f"{k % 2},{item},86400\n" for k, item in enumerate(items))
    convert_text(tmp_path, text, "csv")
    assert [line.split("\t")[1] for line in written(tmp_path)[1:]] == items[::2] + items[1::2]


def test_recbole_sees_the_true_order_of_times_that_float32_cannot_tell_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [7, 3, 9, 1, 8, 2, 6]
    start = 1_400_000_000
    lines = [f"{user},{item},{start + place}" for user in (1, 2, 3, 4, 5) for place, item in enumerate(items)]
    convert_text(tmp_path, "\n".join(["user_id,item_id,timestamp", *reversed(lines)]), "csv")
    dataset = load(monkeypatch, "shop", [tmp_path / "shop" / "shop.yaml"], data_path=str(tmp_path))
    _, _, test = dataset.build()
    seen = test.inter_feat["item_id_list"][:, : len(items) - 1]
    expected = [str(item) for item in items]
    for history, target in zip(seen, test.inter_feat["item_id"], strict=True):
        assert list(dataset.id2token("item_id", [*history.tolist(), int(target)])) == expected


@pytest.mark.parametrize(
    ("source_format", "text", "message"),
    [
        ("csv", "", "is empty"),
        ("csv", "user_id,item_id,timestamp\n", "no interactions"),
        ("csv", "who,item_id,timestamp\n1,2,3\n", "no column 'user_id'; it has who, item_id, timestamp"),
        ("csv", "user_id,item_id,when\n1,2,3\n", "--time-column"),
        (
            "csv",
            "user_id,item_id,timestamp\n1,2,3\n1,2,3,4\n",
            "line 3: malformed line: 4 values where there are 3 columns",
        ),
        ("csv", "user_id,item_id,timestamp\n1,2,3,4\n1,2,3,4\n", "line 2: malformed line"),
        ("csv", "user_id,item_id,timestamp\n1,2,3\n\n1,2\n", "line 4: malformed line: 2 values"),
        ("csv", "user_id,item_id,timestamp\n1,null,3\n", "line 2: no value in 'item_id'"),
        (
            "csv",
            "user_id,item_id,timestamp\n1,2,2019-01-01\n1,2,soon\n",
            "line 3: 'soon' in 'timestamp' is no ISO 8601 date",
        ),
        ("csv", "user_id,item_id,rating,timestamp\n1,2,good,3\n", "'good' in 'rating' is not a number: leave ratings"),
        ("jsonl", "\n", "is empty"),
        ("jsonl", '{"user_id": 1, "what": 2}\n', "no column 'item_id'; it has user_id, what"),
        ("jsonl", '{"user_id": 1, "item_id": 2, "timestamp": 3}\n{"user_id": 1', "line 2: malformed line, no JSON"),
        ("jsonl", "[1, 2, 3]\n", "is a JSON array"),
        ("jsonl", '{"user_id": 1, "item_id": 2, "timestamp": 3}\n[1]\n', "line 2: malformed line, a JSON list"),
        ("jsonl", '{"user_id": 1, "item_id": [2], "timestamp": 3}\n', "line 1: malformed line, item_id ['2']"),
        ("jsonl", '{"user_id": 1, "item_id": 2, "timestamp": 3}\n\n{"user_id": 1}', "line 3: no value in 'item_id'"),
        ("jsonl", '{"user_id": "NA", "item_id": 2, "timestamp": 3}\n', "line 1: no value in 'user_id'"),
        ("jsonl", '{"user_id": 1, "item_id": 2, "timestamp": "x"}\n', "'x' in 'timestamp' is not a number"),
        ("sequences", "\n", "is empty"),
        ("sequences", "1 2 3\n\n4\n", "line 3: malformed line: user 4 has no item"),
        ("sequences", "1 2 3\n1,2,3\n", "line 2: malformed line"),
        (
            "sequences",
            "ann 2 3\n",
            "line 1: malformed line: sequence text is `user item item ...` in whole numbers; number",
        ),
        ("sequences", "1 2 3\n2 5 -1\n", "line 2: negative id -1"),
        ("arff", "x", "format 'arff' is not known"),
    ],
)
def test_bad_sources_are_refused_in_one_line_and_leave_nothing(
    tmp_path: Path, source_format: str, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as error:
        convert_text(tmp_path, text, source_format)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "shop").exists()


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a file"):
        converted(tmp_path / "no.csv", "csv")


def test_a_column_named_twice_and_a_long_separator_are_refused(tmp_path: Path) -> None:
    text = "user_id,item_id,timestamp\n1,2,3\n"
    with pytest.raises(UsageError, match="named twice"):
        convert_text(tmp_path, text, "csv", user_column="item_id")
    with pytest.raises(UsageError, match="separator '' cannot be used"):
        convert_text(tmp_path, text, "csv", separator="")


def test_existing_output_stays_without_overwrite(tmp_path: Path) -> None:
    convert_text(tmp_path, "1 2\n", "sequences")
    with pytest.raises(UsageError, match="--overwrite"):
        convert_text(tmp_path, "1 3\n", "sequences")
    assert written(tmp_path)[1] == "1\t2\t1"
    convert_text(tmp_path, "1 3\n", "sequences", overwrite=True)
    assert written(tmp_path)[1] == "1\t3\t1"


def test_a_new_name_gets_all_settings_and_no_temporary_file_stays(tmp_path: Path) -> None:
    convert_text(tmp_path, "1 2\n", "sequences")
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["shop.inter", "shop.yaml"]
    assert yaml.safe_load((tmp_path / "shop" / "shop.yaml").read_text()) == {
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "TIME_FIELD": "timestamp",
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "user_inter_num_interval": "[5,inf)",
        "item_inter_num_interval": "[5,inf)",
        "MAX_ITEM_LIST_LENGTH": 50,
    }


def test_a_name_whose_packaged_settings_fit_gets_none(tmp_path: Path) -> None:
    stale = tmp_path / "ml-1m" / "ml-1m.yaml"
    stale.parent.mkdir()
    stale.write_text("val_interval: null\n")
    convert_text(tmp_path, "1 2\n", "sequences", name="ml-1m", overwrite=True)
    assert [path.name for path in stale.parent.iterdir()] == ["ml-1m.inter"]


@pytest.mark.parametrize("source_format", ["sequences", "csv"])
def test_recbole_loads_a_converted_yelp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source_format: str) -> None:
    rows = [(user, item, 1_560_000_000 + item) for user in range(1, 7) for item in range(1, 6)]
    old = [(1, 1, 1_500_000_000)]
    if source_format == "csv":
        text = "\n".join(["user_id,item_id,timestamp", *(",".join(map(str, row)) for row in old + rows)])
    else:
        text = "".join(f"{user} 1 2 3 4 5\n" for user in range(1, 7))
    convert_text(tmp_path, text, source_format, name="yelp")
    files = [path for path in PRESETS if path.stem == "yelp"] + [tmp_path / "yelp" / "yelp.yaml"]
    dataset = load(monkeypatch, "yelp", files, data_path=str(tmp_path))
    assert (dataset.user_num, dataset.item_num, len(dataset.inter_feat)) == (7, 6, len(rows))


@pytest.mark.parametrize("with_rating", [True, False])
def test_packaged_settings_serve_files_with_and_without_ratings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_rating: bool
) -> None:
    header = f"user_id,item_id,{'rating,' if with_rating else ''}timestamp"
    rows = [f"{user},{item},{'5,' if with_rating else ''}{item}" for user in range(6) for item in range(5)]
    convert_text(tmp_path, "\n".join([header, *rows]), "csv", name="ml-1m")
    dataset = load(monkeypatch, "ml-1m", [path for path in PRESETS if path.stem == "ml-1m"], data_path=str(tmp_path))
    assert list(dataset.inter_feat.columns) == ["user_id", "item_id", "timestamp"]
    assert len(dataset.inter_feat) == 30


def test_the_packaged_filter_leaves_of_ml_100k_what_its_comment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = next(path for path in PRESETS if path.stem == "ml-100k")
    dataset = load(monkeypatch, "ml-100k", [preset])
    counts = (dataset.user_num - 1, dataset.item_num - 1, len(dataset.inter_feat))
    assert counts == (943, 1349, 99287)
    assert all(f"{count:,}" in preset.read_text() for count in counts)


def test_the_command_prints_the_statistics_and_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "log.tsv"
    source.write_text("u\titem_id\ttimestamp\n1\t2\t3\n1\t2\t4\n")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = [
        "--format",
        "csv",
        "--name",
        "shop",
        "--output",
        str(tmp_path),
        "--user-column",
        "u",
        "--separator",
        r"\t",
    ]
    assert main(parser.parse_args([str(source), *options])) == 0
    printed = capsys.readouterr().out
    shown = printed.splitlines()
    assert "user_id = u, item_id = item_id, timestamp = timestamp" in shown[1] and shown[-1].startswith(
        "  recbole-cl train"
    )
    table = dict(line.rsplit(maxsplit=1) for line in shown[7:17])
    assert table["users"] == "1"
    assert table["interactions"] == "2"
    assert table["repeats"] == "1"
    assert table["density"] == "200.0000%"
    assert table["longest sequence"] == "2"
    assert str(tmp_path / "shop" / "shop.yaml") in printed
    assert f"--dataset=shop --data_path={tmp_path}" in shown[-1]
