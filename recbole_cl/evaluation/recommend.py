"""The best items for users as they stand at the end of their data.

Letters: U users, L columns, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, REMOVED, HistorySetting
from recbole_cl.model.interface import TrainableModel
from recbole_cl.ragged import row_numbers, spans, window

USERS_PER_BATCH = 256


@torch.no_grad()
def best_items(
    model: TrainableModel,
    dataset: ContrastiveDataset,
    users: Sequence[str],
    k: int,
    history: HistorySetting,
    users_per_batch: int = USERS_PER_BATCH,
) -> list[list[tuple[str, float]]]:
    """The best items for users after their last interaction, the test item included.

    Args:
        model: In eval mode.
        dataset: The whole dataset, built.
        users: The users' own tokens.
        k: K, items for each, at least 1.
        history: Whether items that a user already has are left out (``remove``) or ranked like others (``keep``).
        users_per_batch: Users scored together, at least 1.

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
    for begin in range(0, len(users), users_per_batch):
        ids = torch.tensor([known[user] for user in users[begin : begin + users_per_batch]], device=model.device)
        first = torch.searchsorted(flat_user, ids)  # interactions are sorted by user
        end = torch.searchsorted(flat_user, ids, right=True)
        start = torch.maximum(first, end - dataset.max_item_list_len)
        item_seq = window(flat_item, start, end, dataset.max_item_list_len)
        scores = model.scorer(item_seq, end - start, ids)(slice(len(ids)), slice(0, model.n_items))
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
