"""Recommending from a run folder: users of the data, new histories, files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from recbole_cl import LoadedRun
from recbole_cl.cli import main
from recbole_cl.errors import UsageError
from recbole_cl.serving.histories import read_histories
from recbole_cl.serving.recommend import read_tokens
from recbole_cl.serving.recommending import Exclusion
from recbole_cl.serving.top_items import Excluded, top_items
from recbole_cl.testing.toy import N_ITEMS


@pytest.fixture(params=["ours", "recboles"])
def trained(request: pytest.FixtureRequest) -> LoadedRun:
    found: LoadedRun = request.getfixturevalue(request.param)
    return found


def items_of(trained: LoadedRun, user: int) -> list[str]:
    data = Path(str(trained.config["data_path"])) / "cycle.inter"
    rows = (line.split("\t") for line in data.read_text().splitlines())
    return [row[1] for row in rows if row[0] == f"u{user}"]


def of(table: pd.DataFrame, user: str) -> list[str]:
    return list(table[table["user"] == user]["item"])


def test_the_next_item_of_the_circle_comes_first(trained: LoadedRun) -> None:
    users = range(0, 80, 7)  # of all lengths
    found = trained.recommend([f"u{user}" for user in users], k=3)
    assert list(found.columns) == ["user", "rank", "item", "score"]
    after = {f"u{user}": f"i{(user + 5 + user % 12) % N_ITEMS}" for user in users}
    assert dict(zip(found["user"], found["item"], strict=True)) != after  # the last of each
    best = found[found["rank"] == 1]
    assert dict(zip(best["user"], best["item"], strict=True)) == after
    assert found.groupby("user")["score"].apply(lambda scores: scores.is_monotonic_decreasing).all()
    assert (found.groupby("user").size() == 3).all()


def test_what_is_excluded(trained: LoadedRun) -> None:
    own = set(items_of(trained, 11))  # 16 of the 20 items, more than a row holds
    everything = {f"i{i}" for i in range(N_ITEMS)}
    rest = of(trained.recommend(["u11"], k=N_ITEMS), "u11")
    assert set(rest) == everything - own
    ranked = of(trained.recommend(["u11"], k=N_ITEMS, exclude="none"), "u11")
    assert set(ranked) == everything and [item for item in ranked if item not in own] == rest
    fewer = of(trained.recommend(["u11"], k=N_ITEMS, exclude=[rest[0], "no item"]), "u11")
    assert fewer == rest[1:]


def test_a_history_is_as_the_user_who_has_it(trained: LoadedRun) -> None:
    for user, until, last in (("u3", "test", None), ("u3", "valid", -1), ("u30", "train", -2)):
        history = items_of(trained, int(user[1:]))[:last]
        known = trained.recommend([user], k=4, history=until)  # type: ignore[arg-type]
        new = trained.recommend(histories=[history], k=4)
        assert list(known["item"]) == list(new["item"])
        assert list(new["user"].unique()) == ["1"]


def test_items_after_those_that_are_known(ours: LoadedRun) -> None:
    first, end = (bound[ours.users.id_of("u3")] for bound in ours._bounds("test"))
    later = ours.new_histories([("u3", ["i11", "i12"]), ("newcomer", ["i11", "i12", "?"])])
    assert later.names == ["u3", "newcomer"] and later.skipped == 1
    assert (later.end - later.first).tolist() == [int(end - first) + 2, 2]
    best = ours.recommend_after(later, 1)
    assert list(best["item"]) == ["i13", "i13"]


def test_blocks_and_batches_change_nothing(ours: LoadedRun) -> None:
    histories = ours.histories([f"u{user}" for user in range(7)])
    (whole,) = ours.recommender.lists(histories, 5, Exclusion(True))
    parts = list(ours.recommender.lists(histories, 5, Exclusion(True), rows_per_batch=3))
    assert torch.equal(torch.cat([part.item for part in parts]), whole.item)
    scores = torch.randn(4, 50, generator=torch.Generator().manual_seed(1))
    excluded = Excluded(torch.tensor([0, 3]), torch.tensor([7, 49]))
    allowed = scores.clone()
    allowed[:, [0, 8]], allowed[0, 7], allowed[3, 49] = -torch.inf, -torch.inf, -torch.inf
    for size in (1, 3, 7, 50):
        found = top_items(lambda r, i: scores[r, i].clone(), 4, 50, 6, excluded, torch.tensor([8]), size)
        assert torch.equal(found.item, allowed.topk(6).indices)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": "u11"}, r"expected a list of users, such as \['u11'\]"),
        ({"users": ["u1", "u80"]}, "user 'u80' is not among the 80 that the model knows, such as 'u0'"),
        ({"users": [196]}, r"user 196 \(taken as the text '196'\) is not among"),
        ({"users": ["u1"], "k": 0}, "k = 0: expected 1 to 20"),
        ({"users": ["u1"], "k": 21}, "k = 21: expected 1 to 20"),
        ({"users": ["u1"], "k": 2.5}, "k = 2.5: expected 1 to 20"),
        ({"users": ["u1"], "exclude": None}, "exclude = None: expected seen, none or a list"),
        ({"users": ["u1"], "exclude": "all"}, "exclude = 'all': expected seen, none or a list"),
        ({"users": ["u1"], "history": "future"}, "history = 'future': expected train, valid, test"),
        ({"users": ["u1"], "histories": [["i1"]]}, "give users or histories"),
        ({"histories": [["i1"], ["x", "y"]]}, "history 2 has no item that the model knows, such as 'x': leave it out"),
        ({"histories": [["i1"], "i2"]}, r"history 2 is 'i2': expected a list of items, such as \['i2'\]"),
        ({"histories": [None]}, "history 1 is None: expected a list of items"),
        ({"histories": []}, "no history to recommend for"),
    ],
)
def test_bad_arguments_are_told(ours: LoadedRun, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ours.recommend(**arguments)


def test_nobody_is_no_list(ours: LoadedRun) -> None:
    assert ours.recommend([]).empty


def test_a_model_whose_users_weigh_the_items_of_a_row_is_told(recboles: LoadedRun) -> None:
    def scorer(item_seq: torch.Tensor, length: torch.Tensor, user: torch.Tensor) -> Any:  # like SHAN's attention
        weight = torch.softmax((user[:, None] * item_seq.float()).masked_fill(item_seq == 0, -torch.inf), dim=1)
        scores = (weight * item_seq).sum(1, keepdim=True).expand(-1, N_ITEMS + 1).clone()
        return lambda rows, items: scores[rows, items]

    model = SimpleNamespace(encodes_rows=False, device=torch.device("cpu"), scorer=scorer)
    with pytest.raises(UsageError, match="scores by who the user is"):
        replace(recboles, model=model).recommend(histories=[["i1", "i2"]])


def test_files_of_recommendations(
    ours: LoadedRun, run_dir: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = ours.recommend(k=2)
    assert len(expected) == 160 and expected["user"].nunique() == 80
    for ending in ("csv", "parquet", "jsonl"):
        assert main(["recommend", run_dir, "--users", "all", "--k", "2", "--out", str(tmp_path / f"r.{ending}")]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "r.csv"), expected, check_dtype=False, rtol=1e-5)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r.parquet"), expected)
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["user"] for line in lines] == list(dict.fromkeys(expected["user"]))
    assert [item for line in lines for item in line["item"]] == list(expected["item"])
    capsys.readouterr()

    (tmp_path / "new.txt").write_text("ann i4 i5 nothing\nu3 i11\n")
    (tmp_path / "new.jsonl").write_text(
        '{"user": "ann", "items": ["i4", "i5", "nothing"]}\n{"user": "u3", "items": ["i11"]}\n'
    )
    (tmp_path / "banned.txt").write_text("i6\n")
    printed = []
    for rows in (["new.txt", "--with_users"], ["new.jsonl"]):
        flags = ["--histories", str(tmp_path / rows[0]), *rows[1:], "--k", "1"]
        assert main(["recommend", run_dir, *flags, "--exclude", "seen", str(tmp_path / "banned.txt")]) == 0
        out = capsys.readouterr()
        printed.append([line.split()[:3] for line in out.out.splitlines()[1:]])
        assert "1 items of the histories are unknown" in out.err
    assert printed[0] == printed[1]
    assert printed[0][0][:2] == ["ann", "1"] and printed[0][0][2] != "i6" and printed[0][1] == ["u3", "1", "i12"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--users", "missing.txt"], "missing.txt can't be read"),
        (["--users", "all", "--out", "r.xlsx"], "expected a name that ends in .csv, .jsonl, .parquet"),
        (["--users", "all", "--exclude", "none", "seen"], "none cannot be combined with others"),
        (["--users", "all", "--with_users"], "leave it out"),
        (["--users", "empty.txt", "--out", "r.parquet"], "empty.txt: the file names no user"),
        (["--histories", "bad.jsonl", "--with_users"], 'name their users themselves ("user"); leave it out'),
        (["--histories", "bad.jsonl"], "bad.jsonl, line 1 is not JSON"),
        (["--histories", "bad2.jsonl"], "bad2.jsonl, line 1: expected a list of items"),
        (["--histories", "bad3.jsonl"], 'bad3.jsonl, line 1 has user_id: expected the names "items" and "user" alone'),
        ([], "--users --histories is required"),
    ],
)
def test_bad_flags_are_told(
    run_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, flags: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n")
    Path("bad.jsonl").write_text("[")
    Path("bad2.jsonl").write_text('{"items": "i1"}')
    Path("bad3.jsonl").write_text('{"user_id": "u1", "items": ["i1"]}')
    assert main(["recommend", run_dir, *flags]) == 2
    assert message in capsys.readouterr().err and not Path("r.parquet").exists()


def test_code_that_the_run_names_is_imported_if_the_flag_names_it(
    run_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("code_of_a_user.py").write_text("from recbole_cl.encoder.transformer import TransformerEncoder as Mine\n")
    folder = Path(shutil.copytree(run_dir, tmp_path / "run"))
    settings = yaml.safe_load((folder / "config.yaml").read_text()) | {"encoder": "code_of_a_user.Mine"}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = ["recommend", str(folder), "--users", "all", "--k", "1"]
    assert main(command) == 2
    assert "give --code code_of_a_user.Mine to a command that loads a run" in capsys.readouterr().err
    assert main([*command, "--code", "code_of_a_user.Mine"]) == 0


def test_unknown_items_to_exclude_are_told(run_dir: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "sold_out.txt").write_text('i1\n"i2"\n')
    assert main(["recommend", run_dir, "--users", "all", "--exclude", str(tmp_path / "sold_out.txt")]) == 0
    assert "1 of 2 items to exclude are unknown to the model, such as '\"i2\"'" in capsys.readouterr().err


def test_lists_of_users_of_one_name_stay_apart(run_dir: str, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("ann i4 i5\nann i11\nbo i2\n")
    flags = ["--histories", str(tmp_path / "new.txt"), "--with_users", "--k", "2", "--out", str(tmp_path / "r.jsonl")]
    assert main(["recommend", run_dir, *flags]) == 0
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [(line["user"], len(line["item"])) for line in lines] == [("ann", 2), ("ann", 2), ("bo", 2)]
    assert [line["item"][0] for line in lines[:2]] == ["i6", "i12"]


def test_a_line_ends_only_where_a_line_ends(tmp_path: Path) -> None:
    odd = ["a\u2028b", "c\x85d", "e\x0bf\xa0g"]
    for name, content in (("text.txt", " ".join(odd)), ("tabs.txt", "\t".join(odd)), ("text.jsonl", json.dumps(odd))):
        (tmp_path / name).write_bytes(f"{content}\r\n{content}".encode())
        assert [row for _, row in read_histories(tmp_path / name)] == [odd, odd]
    (tmp_path / "unescaped.jsonl").write_text(json.dumps(odd, ensure_ascii=False), encoding="utf-8")
    assert [row for _, row in read_histories(tmp_path / "unescaped.jsonl")] == [odd]
    (tmp_path / "users.txt").write_bytes("\r\n".join(odd).encode() + b"\r\n\r\n")
    assert read_tokens(tmp_path / "users.txt") == odd


def test_names_in_files_do_nothing_to_the_terminal(run_dir: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "new.txt").write_text("\x1b[2J i4 i5\n")
    assert main(["recommend", run_dir, "--histories", str(tmp_path / "new.txt"), "--with_users", "--k", "2"]) == 0
    assert "\x1b" not in (out := capsys.readouterr().out) and out.count("\\x1b[2J") == 2 and out.count("\n") == 3
