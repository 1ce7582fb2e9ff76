"""Hashes that show whether the ids of two runs refer to the same users and items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import rows_of


def item_fingerprint(dataset: Any) -> str:
    """Hash of a dataset's item tokens in the order of their ids: equal if and only if each id means the same item.

    Args:
        dataset: RecBole's or ours; any split.

    Returns:
        SHA-256, in hexadecimal digits.
    """
    return _hash(map(str, dataset.field2id_token[dataset.iid_field]))


def interaction_fingerprint(dataset: ContrastiveDataset) -> str:
    """Hash of all interactions of all splits, in the order of users and time, with the tokens of their items.

    Args:
        dataset: Ours; any split.

    Returns:
        SHA-256, in hexadecimal digits.
    """
    digest = hashlib.sha256(item_fingerprint(dataset).encode())
    for values in (dataset.flat[dataset.iid_field], dataset.user_start):
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def target_fingerprint(split: ContrastiveDataset) -> str:
    """Hash of the users and targets of a split's rows, by token: if equal, the ranks of two runs can be paired.

    Args:
        split: The validation or test part of a dataset.

    Returns:
        SHA-256, in hexadecimal digits, of the rows in the order of ``rows_of``, which is also the order of stored
        ranks.
    """
    rows = rows_of(split)
    users, items = split.id2token(split.uid_field, rows.user), split.id2token(split.iid_field, rows.items[rows.end])
    return _hash(f"{user}\t{item}" for user, item in zip(users, items, strict=True))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
