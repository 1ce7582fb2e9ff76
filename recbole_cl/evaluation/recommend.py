"""The best items for users as they stand at the end of their data.

Letters: U users, L columns, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, REMOVED, HistorySetting
from recbole_cl.ragged import row_numbers, spans, window

_USERS_PER_BATCH = 256


def best_items(
    model: Any, dataset: ContrastiveDataset, users: Sequence[str], k: int, history: HistorySetting
) -> list[list[tuple[str, float]]]:
    """The best items for users after their last interaction, the test item included.

    Args:
        model: One of ours, or any sequential model of RecBole's that our runs take; in eval mode.
        dataset: The whole dataset, built.
        users: The users' own tokens.
        k: K, items for each, at least 1.
        history: Whether items that a user already has are left out (``remove``) or ranked like others (``keep``).

    Returns:
        For each user the items' own tokens with their scores, best first; fewer than ``k`` if no more are left.

    Raises:
        UsageError: If a user is unknown or an argument is out of range.
    """
    if k < 1 or history not in (KEPT.setting, REMOVED.setting):
        raise UsageError(f"recommend(k={k}, history={history!r}): expected k >= 1, and remove or keep")
    if isinstance(users, str):
        raise UsageError(f"recommend({users!r}): expected a list of users, such as [{users!r}]")
    known = dataset.field2token_id[dataset.uid_field]
    if unknown := [user for user in users if user not in known or user == "[PAD]"]:
        raise UsageError(f"user {unknown[0]!r} is not among the {len(known) - 1} of {dataset.dataset_name}")
    flat_user, flat_item = (dataset.flat[name].to(model.device) for name in (dataset.uid_field, dataset.iid_field))
    found: list[list[tuple[str, float]]] = []
    for begin in range(0, len(users), _USERS_PER_BATCH):
        ids = torch.tensor([known[user] for user in users[begin : begin + _USERS_PER_BATCH]], device=model.device)
        first = torch.searchsorted(flat_user, ids)  # interactions are sorted by user
        end = torch.searchsorted(flat_user, ids, right=True)
        start = torch.maximum(first, end - dataset.max_item_list_len)
        item_seq = window(flat_item, start, end, dataset.max_item_list_len)
        scores = _scores(model, item_seq, end - start, {dataset.uid_field: ids})
        scores[:, 0] = -torch.inf
        if history == REMOVED.setting:
            had = flat_item[spans(first, end - first)]
            scores[row_numbers(end - first), had] = -torch.inf
        best = scores.topk(min(k, scores.shape[1] - 1))
        tokens = dataset.id2token(dataset.iid_field, best.indices.cpu().numpy())
        found += [
            [(str(item), score) for item, score in zip(*row, strict=True) if score > -torch.inf]
            for row in zip(tokens, best.values.tolist(), strict=True)
        ]
    return found


@torch.no_grad()
def _scores(model: Any, item_seq: Tensor, length: Tensor, user: dict[str, Tensor]) -> Tensor:
    """Scores of all items, [B, N], free to be written to."""
    if hasattr(model, "score_items"):
        own: Tensor = model.score_items(model.forward(item_seq, length), 0, model.n_items)
        return own
    fields = {model.ITEM_SEQ: item_seq, model.ITEM_SEQ_LEN: length, **user}
    theirs: Tensor = model.full_sort_predict(Interaction(fields)).view(len(item_seq), -1).clone()
    return theirs
