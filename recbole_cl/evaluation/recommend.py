"""The best items for users as they stand at the end of their data.

Letters: U users, L columns, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.data.dataset import ContrastiveDataset, window

_USERS_PER_BATCH = 256


@torch.no_grad()
def best_items(
    model: Any, dataset: ContrastiveDataset, users: Tensor, k: int, *, remove_history: bool
) -> tuple[Tensor, Tensor]:
    """Scores all items for users after their last interaction, the test item included.

    Args:
        model: One of ours, or any sequential model of RecBole's that our runs take; in eval mode.
        dataset: The whole dataset, built.
        users: User ids, [U], each of a user with at least one interaction.
        k: K, at least 1; at most N - 1 are returned.
        remove_history: Whether items that a user already has are left out.

    Returns:
        Scores and item ids, best first, [U, K] each, on the CPU; where fewer than K items are left, the score is -inf.
    """
    batches = users.to(model.device).split(_USERS_PER_BATCH)
    best = [_best_of(model, dataset, batch, k, remove_history) for batch in batches]
    return torch.cat([scores for scores, _ in best]).cpu(), torch.cat([items for _, items in best]).cpu()


def _best_of(model: Any, dataset: ContrastiveDataset, users: Tensor, k: int, remove: bool) -> tuple[Tensor, Tensor]:
    device = users.device
    flat_user, flat_item = (dataset.flat[name].to(device) for name in (dataset.uid_field, dataset.iid_field))
    end = torch.searchsorted(flat_user, users, right=True)  # interactions are sorted by user
    first = torch.searchsorted(flat_user, users)
    start = torch.maximum(first, end - dataset.max_item_list_len)
    item_seq, length = window(flat_item, start, end, dataset.max_item_list_len), end - start
    if hasattr(model, "score_items"):
        scores = model.score_items(model.forward(item_seq, length), 0, model.n_items)
    else:
        fields = {model.ITEM_SEQ: item_seq, model.ITEM_SEQ_LEN: length, dataset.uid_field: users}
        scores = model.full_sort_predict(Interaction(fields)).view(len(users), -1).clone()
    scores[:, 0] = -torch.inf
    if remove:
        count = end - first
        row = torch.repeat_interleave(torch.arange(len(users), device=device), count)
        place = torch.arange(len(row), device=device) - (count.cumsum(0) - count)[row] + first[row]
        scores[row, flat_item[place]] = -torch.inf
    top: tuple[Tensor, Tensor] = scores.topk(min(k, scores.shape[1] - 1))
    return top
