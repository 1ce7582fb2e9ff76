"""Training batches against rows that plain loops write out, in both training forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_cl.batch import ANCHOR_DRAWS, ANCHOR_LENGTH, ANCHOR_ROW, NEXT_PREFIX, TARGET_PLACE
from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.loader import LoaderSettings, TrainLoader
from recbole_cl.data.same_target import SameTarget
from recbole_cl.testing.toy import write_cycle

WIDTH, BATCH = 4, 32
BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])
EVERY_DRAW = pytest.mark.parametrize("draw", ANCHOR_DRAWS)


@pytest.fixture
def train(tmp_path: Path) -> ContrastiveDataset:
    settings = {"MAX_ITEM_LIST_LENGTH": WIDTH, "use_gpu": False} | write_cycle(tmp_path)
    split: ContrastiveDataset = ContrastiveDataset(Config("SASRec", "cycle", config_dict=settings)).build()[0]
    return split


def loader_of(
    train: ContrastiveDataset,
    form: str,
    shuffle: bool = True,
    same_target: bool = False,
    anchors: int = 1,
    seed: int = 3,
    draw: str = "per_row",
) -> TrainLoader:
    hooks = {"same_target": SameTarget} if same_target else {}
    return TrainLoader(train, LoaderSettings(form, BATCH, shuffle, hooks, anchors, draw, seed, torch.device("cpu")))


def histories(train: ContrastiveDataset) -> dict[int, list[int]]:
    """The training items of each user, oldest first: all but the last two."""
    items: dict[int, list[int]] = {}
    for user, item in zip(train.flat["user_id"].tolist(), train.flat["item_id"].tolist(), strict=True):
        items.setdefault(user, []).append(item)
    return {user: row[:-2] for user, row in items.items()}


def prefixes(train: ContrastiveDataset) -> list[tuple[int, list[int], int]]:
    """User, window and target of every training row of the prefix form."""
    return [
        (user, items[max(0, place - WIDTH) : place], items[place])
        for user, items in histories(train).items()
        for place in range(1, len(items))
    ]


def windows(train: ContrastiveDataset) -> list[tuple[int, list[int], list[int]]]:
    """User, items and their targets of every training row of the sequence form: windows from a user's end."""
    rows = []
    for user, items in histories(train).items():
        end = len(items) - 1
        while end > 0:
            start = max(0, end - WIDTH)
            rows.append((user, items[start:end], items[start + 1 : end + 1]))
            end = start
    return rows


def rows_in(loader: TrainLoader) -> list[tuple[int, list[int], object]]:
    """What one epoch delivers, in the form of ``prefixes`` or ``windows``."""
    rows: list[tuple[int, list[int], object]] = []
    for batch in loader:
        fields = batch.interaction
        assert fields["item_id_list"].shape == (len(fields["user_id"]), WIDTH)
        following = fields.get(NEXT_PREFIX + "item_id_list")
        for row, (user, length) in enumerate(
            zip(fields["user_id"].tolist(), fields["item_length"].tolist(), strict=True)
        ):
            items = fields["item_id_list"][row].tolist()
            assert not any(items[length:])
            target = int(fields["item_id"][row])
            rows.append((user, items[:length], target if following is None else following[row, :length].tolist()))
            assert following is None or following[row, length - 1] == target
    return rows


@BOTH_FORMS
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_delivers_every_row_once(train: ContrastiveDataset, form: str, shuffle: bool) -> None:
    loader = loader_of(train, form, shuffle)
    expected: list[tuple[int, list[int], object]] = [*(prefixes(train) if form == "prefix" else windows(train))]
    found = rows_in(loader)
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    sizes = [len(batch["user_id"]) for batch in loader]
    assert len(loader) == len(sizes) and sizes[:-1] == [BATCH] * (len(sizes) - 1) and 0 < sizes[-1] < BATCH


@BOTH_FORMS
def test_rows_come_in_a_new_order_each_epoch_or_always_in_the_datas(train: ContrastiveDataset, form: str) -> None:
    shuffled, plain = loader_of(train, form), loader_of(train, form, shuffle=False)
    assert rows_in(shuffled) != rows_in(shuffled)
    first = rows_in(plain)
    assert first == rows_in(plain) and [user for user, *_ in first] == sorted(user for user, *_ in first)


@BOTH_FORMS
def test_the_generators_state_decides_all_that_is_drawn(train: ContrastiveDataset, form: str) -> None:
    first, other = (loader_of(train, form, same_target=True, anchors=2, seed=seed) for seed in (3, 4))
    assert rows_in(first) != rows_in(other)
    other.generator.set_state(first.generator.get_state())
    for a, b in zip(first, other, strict=True):
        assert a.interaction.keys() == b.interaction.keys()
        assert all(torch.equal(value, b.interaction[key]) for key, value in a.interaction.items())


@EVERY_DRAW
@BOTH_FORMS
def test_positives_are_training_rows_with_the_anchors_target(train: ContrastiveDataset, form: str, draw: str) -> None:
    known = {(tuple(items), target) for _, items, target in prefixes(train)}
    for batch in loader_of(train, form, same_target=True, draw=draw):
        fields = batch.interaction
        targets = fields["item_id"]
        if form == "sequence":
            targets = fields[NEXT_PREFIX + "item_id_list"][fields[ANCHOR_ROW], fields[ANCHOR_LENGTH] - 1]
        positive, length = (fields[f"hook_same_target_{name}"] for name in ("item_id_list", "item_length"))
        assert len(positive) == len(length) == len(targets)
        for items, n, target in zip(positive.tolist(), length.tolist(), targets.tolist(), strict=True):
            assert (tuple(items[:n]), target) in known and not any(items[n:])


@EVERY_DRAW
@pytest.mark.parametrize("anchors", [0, 1, 3])
def test_anchors_lie_in_their_rows(train: ContrastiveDataset, anchors: int, draw: str) -> None:
    for batch in loader_of(train, "sequence", anchors=anchors, draw=draw):
        row, drawn, length = (batch.interaction[name] for name in (ANCHOR_ROW, ANCHOR_LENGTH, "item_length"))
        assert len(row) == len(drawn) == len(length) * max(anchors, 1)
        assert bool(((drawn >= 1) & (drawn <= length[row])).all())
        of_each = row.bincount(minlength=len(length))
        assert draw == "per_target" or bool((of_each == max(anchors, 1)).all())
        assert anchors or torch.equal(drawn, length)


def test_drawn_per_target_anchors_are_as_long_as_the_prefix_forms_rows(train: ContrastiveDataset) -> None:
    every = [len(targets) for _, _, targets in windows(train)]
    prefix_mean = sum(n * (n + 1) / 2 for n in every) / sum(every)
    row_mean = sum((n + 1) / 2 for n in every) / len(every)
    for draw, expected in (("per_target", prefix_mean), ("per_row", row_mean)):
        loader = loader_of(train, "sequence", draw=draw)
        lengths = torch.cat([batch.interaction[ANCHOR_LENGTH] for _ in range(60) for batch in loader]).double()
        assert lengths.mean().item() == pytest.approx(expected, abs=0.04)
    assert prefix_mean - row_mean > 0.1


def test_places_of_targets_are_those_of_the_items(train: ContrastiveDataset) -> None:
    fields = loader_of(train, "sequence").batch(torch.arange(5)).interaction
    assert torch.equal(fields[TARGET_PLACE], fields["item_id_list"].flatten().nonzero().squeeze(1))


@BOTH_FORMS
def test_batches_go_to_the_device_and_lengths_stay_on_the_host(train: ContrastiveDataset, form: str) -> None:
    loader = loader_of(train, form, same_target=True)
    here, there = replace(loader.settings), replace(loader.settings, device=torch.device("meta"))
    host, sent = (next(iter(TrainLoader(train, settings))) for settings in (here, there))
    assert {it.device.type for it in sent.interaction.values()} == {"meta"}
    assert {name: it.shape for name, it in sent.interaction.items()} == {
        name: it.shape for name, it in host.interaction.items()
    }
    assert len(sent.lengths) == 2 + (form == "sequence") and sent.to(torch.device("meta")).lengths is sent.lengths
    for name, known in sent.lengths.items():
        assert known.exact and np.array_equal(known.values, host.interaction[name].numpy())


def test_the_prefix_form_has_neither_anchors_nor_places(train: ContrastiveDataset) -> None:
    fields = next(iter(loader_of(train, "prefix"))).interaction
    assert set(fields) == {"user_id", "item_id", "item_id_list", "item_length"}
