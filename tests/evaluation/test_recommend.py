"""Recommending from a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_cl import LoadedRun, load, run
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.recommend import best_items
from recbole_cl.testing.toy import N_ITEMS, write_cycle


@pytest.fixture(scope="module", params=["SASRec", "GRU4Rec"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    settings: dict[str, Any] = {"MAX_ITEM_LIST_LENGTH": 8, "show_progress": False, "use_gpu": False, "epochs": 12}
    settings |= {"learning_rate": 0.01, "train_batch_size": 64} | write_cycle(tmp_path_factory.mktemp("data"))
    if request.param == "SASRec":
        settings |= {"hidden_size": 16, "inner_size": 32, "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    return load(run(request.param, "cycle", **settings).run_dir)


def items_of(trained: LoadedRun, user: int) -> set[str]:
    data = Path(str(trained.config["data_path"])) / "cycle.inter"
    rows = (line.split("\t") for line in data.read_text().splitlines())
    return {row[1] for row in rows if row[0] == f"u{user}"}


def test_the_next_item_of_the_circle_comes_first(trained: LoadedRun) -> None:
    users = range(0, 80, 7)  # of all lengths
    found = trained.recommend([f"u{user}" for user in users], k=3)
    after = [f"i{(user + 5 + user % 12) % N_ITEMS}" for user in users]
    assert [row[0][0] for row in found] == after
    assert all(row == sorted(row, key=lambda pair: -pair[1]) and len(row) == 3 for row in found)


def test_the_history_is_left_out_or_ranked_like_the_rest(trained: LoadedRun) -> None:
    own = items_of(trained, 11)  # 16 of the 20 items, more than a row holds
    (rest,) = trained.recommend(["u11"], k=50)
    assert {item for item, _ in rest} == {f"i{i}" for i in range(N_ITEMS)} - own
    (everything,) = trained.recommend(["u11"], k=50, history="keep")
    assert {item for item, _ in everything} == {f"i{i}" for i in range(N_ITEMS)}
    assert [pair for pair in everything if pair[0] not in own] == rest


def test_one_user_in_place_of_a_list_is_refused(trained: LoadedRun) -> None:
    with pytest.raises(UsageError, match="expected a list of users, such as \\['u11'\\]"):
        trained.recommend("u11")


def test_many_users_are_as_one_by_one(trained: LoadedRun) -> None:
    users = [f"u{user}" for user in range(5)]
    together = best_items(trained.model, trained.dataset, users, 2, "remove", users_per_batch=2)
    alone = [trained.recommend([user], k=2)[0] for user in users]
    assert [[item for item, _ in row] for row in together] == [[item for item, _ in row] for row in alone]
    assert trained.recommend([]) == []


def test_bad_arguments_are_refused(trained: LoadedRun) -> None:
    with pytest.raises(UsageError, match="user 'u80' is not among the 80 of cycle"):
        trained.recommend(["u1", "u80"])
    with pytest.raises(UsageError, match="expected k >= 1"):
        trained.recommend(["u1"], k=0)
