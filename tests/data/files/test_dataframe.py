"""A DataFrame becomes a dataset once, and a run takes it in every form."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recbole_cl import from_dataframe, run, run_seeds
from recbole_cl.data.files.dataframe import NamedData, named_data
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY

NAMES: dict[str, Any] = {"user": "uid", "item": "sku", "time": "ts"}
PAGE = Path(__file__).parents[3] / "docs" / "own_data.md"


class Polars:
    """A table of another library, which pandas does not know."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self._frame


def shop(**columns: Any) -> pd.DataFrame:
    """Three interactions, some of their columns replaced."""
    return pd.DataFrame({"uid": ["b", "a", "b"], "sku": [7, 8, 9], "ts": [30, 20, 10], "note": ""} | columns)


def cycle() -> pd.DataFrame:
    """Forty users walk round a circle of 24 items."""
    walks = [(f"u{user}", (user + step) % 24, step) for user in range(40) for step in range(5 + user % 6)]
    return pd.DataFrame(walks, columns=["uid", "sku", "ts"])


def lines(data: NamedData) -> list[str]:
    return (data.data_path / data.name / f"{data.name}.inter").read_text(encoding="utf-8").splitlines()


def test_a_frame_is_written_sorted_with_settings_beside_it(tmp_path: Path) -> None:
    frame = shop(stars=[1, 2.5, 3])
    data = from_dataframe(frame, "uid", "sku", "ts", "stars", name="shop", data_path=tmp_path)
    assert data == NamedData("shop", tmp_path)
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    assert lines(data) == [header, "b\t9\t3.0\t10", "b\t7\t1.0\t30", "a\t8\t2.5\t20"]
    assert "`from_dataframe(..., overwrite=True)` writes them again" in (tmp_path / "shop" / "shop.yaml").read_text()
    pd.testing.assert_frame_equal(frame, shop(stars=[1, 2.5, 3]))


def test_ratings_are_left_out_unless_named(tmp_path: Path) -> None:
    data = from_dataframe(shop(rating=5), **NAMES, name="shop", data_path=tmp_path)
    assert lines(data)[1] == "b\t9\t10"


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_a_datetime_column_becomes_seconds_since_1970(tmp_path: Path, zone: str | None) -> None:
    times = pd.to_datetime([1400000000123000, 1400000000000000, 1399999999999900], unit="us", utc=True).tz_convert(zone)
    data = from_dataframe(shop(ts=times), **NAMES, name="shop", data_path=tmp_path)
    assert [line.split("\t")[2] for line in lines(data)[1:]] == ["1399999999.9999", "1400000000.123", "1400000000.0"]


@pytest.mark.parametrize(
    ("ids", "written"),
    [
        (pd.Series([7, 8, 9], dtype="Int64"), "978"),
        ([7.0, 8.0, 9.0], "978"),  # what pandas makes of integers beside a missing one
        (pd.Categorical(["7", "8", "9"]), "978"),
        (pd.Series(["x", "y", "z"], dtype="string"), "zxy"),
        (["x", 8, -1], "-1x8"),
    ],
)
def test_ids_of_any_kind_are_written_as_they_read(tmp_path: Path, ids: Any, written: str) -> None:
    data = from_dataframe(shop(sku=ids), **NAMES, name="shop", data_path=tmp_path)
    assert "".join(line.split("\t")[1] for line in lines(data)[1:]) == written


def test_equal_content_is_written_once(tmp_path: Path) -> None:
    from_dataframe(shop(), **NAMES, name="shop", data_path=tmp_path)
    files = sorted((tmp_path / "shop").iterdir())
    (tmp_path / "shop" / "shop.yaml").write_text("MAX_ITEM_LIST_LENGTH: 20\n")
    before = [(path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in files]
    for again in (shop(note="other"), shop(ts=[30.0, 20.0, 10.0]), Polars(shop().iloc[::1])):
        from_dataframe(again, **NAMES, name="shop", data_path=tmp_path)
    assert [(path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in files] == before
    assert sorted((tmp_path / "shop").iterdir()) == files


def test_other_content_under_the_name_is_refused_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    options = NAMES | {"name": "shop", "data_path": tmp_path}
    data = from_dataframe(shop(), **options)
    before = lines(data)
    with pytest.raises(UsageError, match="shop.inter exists: .*another name.*overwrite=True"):
        from_dataframe(shop(sku=[7, 8, 10]), **options)
    assert lines(data) == before
    from_dataframe(shop(sku=[7, 8, 10]), **options, overwrite=True)
    assert lines(data)[1] == "b\t10\t10"


def test_a_file_that_was_changed_by_hand_is_other_content(tmp_path: Path) -> None:
    from_dataframe(shop(), **NAMES, name="shop", data_path=tmp_path)
    with (tmp_path / "shop" / "shop.inter").open("a") as file:
        file.write("c\t1\t1\n")
    with pytest.raises(UsageError, match="shop.inter exists"):
        from_dataframe(shop(), **NAMES, name="shop", data_path=tmp_path)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (shop(uid=["a", None, "b"]), ["row 1", "'uid'", "missing", "1 rows", "remove"]),
        (shop(sku=["x", "y", "NA"]), ["row 2", "'sku'", "rename"]),
        (shop(ts=[1, np.nan, 2]), ["row 1", "'ts'"]),
        (shop(ts=pd.to_datetime(["2020-01-01", None, "2020-01-01"])), ["row 1", "'ts'"]),
        (shop(ts=["1", "monday", "2"]), ["row 1", "'monday'", "'ts'", "seconds since 1970", "datetime"]),
        (shop(ts=[1, np.inf, 2]), ["row 1", "inf", "'ts'"]),
        (shop(ts=[True, False, True]), ["row 0", "'True'", "'ts'"]),
        (shop(ts=pd.to_timedelta([1, 2, 3], unit="s")), ["row 0", "'ts'", "datetime"]),
        (shop(sku=[[1], [2], [3]]), ["row 0", "[1]", "text or a number"]),
        (shop(uid=[True, False, True]), ["row 0", "True", "text or a number"]),
        (shop().rename(columns={"ts": "tsx"}), ["'ts'", "uid, sku, tsx, note", "did you mean 'tsx'", "time=..."]),
        (shop().rename(columns={"note": "uid"}), ["2 columns", "'uid'", "rename"]),
        (shop().iloc[:0], ["no interactions"]),
        (shop().to_dict(), ["dict", "no DataFrame", "to_pandas"]),
        (Polars(shop()["uid"]), ["Polars", "no DataFrame"]),
    ],
)
def test_what_cannot_be_a_dataset_is_refused_in_one_line(tmp_path: Path, frame: Any, words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        from_dataframe(frame, **NAMES, name="shop", data_path=tmp_path)
    assert [word for word in words if word not in str(error.value)] == [] and "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_pyarrow_keeps_large_integers_beside_a_missing_one(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"uid": [2**60 + 1, None, 2**60 + 2], "sku": [1, 2, 3], "ts": [2**60 + 1, 2, 2**60 + 2]})
    data = from_dataframe(table, **NAMES, name="shop", data_path=tmp_path, drop_missing=True)
    assert lines(data)[1:] == [f"{2**60 + 1}\t1\t{2**60 + 1}", f"{2**60 + 2}\t3\t{2**60 + 2}"]


def test_a_rating_that_is_no_number_tells_how_to_leave_ratings_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="row 0.*'good' in 'stars'.*rating=None"):
        from_dataframe(shop(stars="good"), **NAMES, rating="stars", name="shop", data_path=tmp_path)


def test_one_column_cannot_be_two_and_some_names_are_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named twice among uid, uid, ts"):
        from_dataframe(shop(), user="uid", item="uid", time="ts", name="shop", data_path=tmp_path)
    for name in ("a/b", "ml-100k", None):
        with pytest.raises(UsageError, match=f"name {name!r}"):
            from_dataframe(
                shop(),
                **NAMES,
                name=name,  # type: ignore[arg-type]
                data_path=tmp_path,
            )


def test_what_is_no_table_is_left_to_the_settings(tmp_path: Path) -> None:
    assert named_data("shop", {"user": "uid"}) == ("shop", {"user": "uid"})
    assert named_data(None, {}) == (None, {}) and named_data(5, {}) == (5, {})
    assert named_data(NamedData("shop", tmp_path), {"seed": 1}) == ("shop", {"seed": 1, "data_path": str(tmp_path)})
    with pytest.raises(UsageError, match="data_path = elsewhere: .*leave data_path out"):
        named_data(NamedData("shop", tmp_path), {"data_path": "elsewhere"})
    with pytest.raises(UsageError, match="without a name: give name="):
        named_data(shop(), NAMES)
    with pytest.raises(UsageError, match="without a name: give name="):
        named_data(shop(), NAMES | {"name": None})


def test_files_are_read_as_the_command_reads_them_and_written_once(tmp_path: Path) -> None:
    source = tmp_path / "orders.csv"
    source.write_text("Email,SKU,Date\nb@x.org,007,2024-05-01 12:00\n,8,2024-05-02\nb@x.org,007,2024-05-01 12:00\n")
    options: dict[str, Any] = {
        "name": "shop",
        "drop_missing": True,
        "drop_duplicates": True,
        "time_zone": "Europe/Paris",
    }
    settings = options | {"data_path": str(tmp_path), "seed": 1}
    for dataset in (source, [source]):
        assert named_data(dataset, settings) == ("shop", {"seed": 1, "data_path": str(tmp_path)})
    assert lines(NamedData("shop", tmp_path))[1:] == ["b@x.org\t007\t1714557600"]
    with pytest.raises(UsageError, match="dataset is a path without a name"):
        named_data(source, {})
    frame = pd.DataFrame({"uid": ["a", None], "sku": [1, 2], "ts": ["2024-05-01", "2024-05-02"]})
    data = from_dataframe(frame, **NAMES, name="days", data_path=tmp_path, drop_missing=True)
    assert lines(data)[1:] == ["a\t1\t1714521600"]


def test_a_run_takes_a_frame_what_was_made_of_it_and_its_name(tmp_path: Path) -> None:
    settings: dict[str, Any] = TINY | {"epochs": 1, "checkpoint_dir": str(tmp_path / "saved")}
    data_path = str(tmp_path / "data")
    first = run("SASRec", cycle(), **NAMES, name="walks", data_path=data_path, **settings)
    data = from_dataframe(cycle(), **NAMES, name="walks", data_path=data_path)
    others = [
        run("SASRec", data, **settings),
        run("SASRec", "walks", data_path=data_path, **settings),
        *run_seeds("SASRec", Polars(cycle()), [first.seed], **NAMES, name="walks", data_path=data_path, **settings),
    ]
    assert {result.dataset for result in (first, *others)} == {"walks"}
    assert all((result.targets, result.test) == (first.targets, first.test) for result in others)
    with pytest.raises(UsageError, match="'?user'?"):
        run("SASRec", "walks", user="uid", data_path=data_path, **settings)


def test_the_page_trains_on_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "from_dataframe(" in block)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(block)
    runpy.run_path("example.py", {"df": cycle()})
    assert (tmp_path / "dataset" / "shop" / "shop.inter").is_file() and len(list((tmp_path / "saved").iterdir())) == 1
