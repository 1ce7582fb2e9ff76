"""Counting, and the rows and histories that it goes by, against plain loops."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor

from recbole_cl.evaluation.ranks import Counts, History, count_block, evaluation_rows, protocols
from tests.evaluation.rows import rows_of_users

N_ITEMS = 40
HISTORIES = [[3, 7, 7, 9, 3], [1, 2], [5, 6, 5, 8], [4, 1, 2, 3, 9, 11, 4]]  # two targets occur before


def test_scores_of_no_more_than_two_blocks_are_held_at_a_time() -> None:
    alive: list[weakref.ref[Tensor]] = []

    def scores(first: int, last: int) -> Tensor:
        assert 0 < last - first <= 7 and sum(block() is not None for block in alive) <= 1
        block = torch.rand(3, last - first)
        alive.append(weakref.ref(block))
        return block

    nothing = torch.zeros(0, dtype=torch.long)
    count_block(scores, N_ITEMS, torch.tensor([1, 20, 39]), History(nothing, nothing), 7)
    assert len(alive) == 2 * 6


def test_counts_are_those_of_a_loop_over_items() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randint(0, 5, (3, N_ITEMS), generator=generator).float()
    target = torch.tensor([4, 17, 39])
    history = History(torch.tensor([0, 0, 2]), torch.tensor([1, 30, 6]))
    for items_per_block in (1, 7, N_ITEMS):
        counts = count_block(lambda a, b: table[:, a:b].clone(), N_ITEMS, target, history, items_per_block)
        for row in range(3):
            own = float(table[row, target[row]])
            others = [item for item in range(1, N_ITEMS) if item != target[row]]
            before = [item for at, item in zip(*map(Tensor.tolist, history), strict=True) if at == row]
            assert [int(column[row]) for column in counts] == [
                sum(float(table[row, item]) > own for item in others),
                sum(float(table[row, item]) == own for item in others),
                sum(float(table[row, item]) > own for item in before),
                sum(float(table[row, item]) == own for item in before),
            ]


def test_rows_come_shortest_first_with_their_whole_histories() -> None:
    split = evaluation_rows(rows_of_users(HISTORIES, width=2), N_ITEMS)
    assert split.order.tolist() == [1, 0, 2, 3]  # by the window's length, which is at most 2
    histories = [set(HISTORIES[user][:-1]) - {HISTORIES[user][-1]} for user in split.order.tolist()]
    for row, expected in enumerate(histories):
        assert split.history.item[split.history.row == row].tolist() == sorted(expected)
    assert split.removed.tolist() == [len(history) for history in histories]
    assert split.repeated.tolist() == [HISTORIES[user][-1] in HISTORIES[user][:-1] for user in split.order.tolist()]


def test_histories_of_blocks_count_rows_from_the_blocks_first() -> None:
    history = History(torch.tensor([0, 0, 1, 3, 3, 4]), torch.tensor([5, 6, 7, 8, 9, 1]))
    blocks = history.of_blocks([(0, 2), (2, 3), (3, 5)])
    assert [(block.row.tolist(), block.item.tolist()) for block in blocks] == [
        ([0, 0, 1], [5, 6, 7]),
        ([], []),
        ([0, 0, 1], [8, 9, 1]),
    ]


def test_both_protocols_are_in_the_order_of_the_dataset() -> None:
    split = evaluation_rows(rows_of_users(HISTORIES, width=5), N_ITEMS)
    assert split.order.tolist() == [1, 2, 0, 3]
    counts = Counts(*(torch.tensor(column) for column in ([9, 8, 7, 6], [1, 0, 2, 3], [1, 2, 0, 1], [0, 0, 0, 1])))
    tops = {"keep": torch.tensor([[1], [2], [3], [4]])}
    ranks = protocols(counts, split, N_ITEMS, tops)
    keep, remove = ranks["keep"], ranks["remove"]
    assert (keep.above.tolist(), keep.tied.tolist()) == ([7, 9, 8, 6], [2, 1, 0, 3])
    assert (remove.above.tolist(), remove.tied.tolist()) == ([N_ITEMS - 1, 8, 6, N_ITEMS - 1], [0, 1, 0, 0])
    assert keep.top_items is not None and keep.top_items.flatten().tolist() == [3, 1, 2, 4]
    assert remove.removed is not None and remove.removed.tolist() == [2, 1, 2, 5]
    assert keep.removed is None and remove.top_items is None
