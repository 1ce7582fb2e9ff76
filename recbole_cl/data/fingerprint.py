"""Hashes that tell whether the ids of two runs mean the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any


def item_fingerprint(dataset: Any) -> str:
    """Hash of a dataset's item tokens in the order of their ids: equal if and only if the ids mean the same items.

    Args:
        dataset: RecBole's or ours, of any split.

    Returns:
        SHA-256, in hexadecimal digits.
    """
    return _hash(map(str, dataset.field2id_token[dataset.iid_field]))


def target_fingerprint(split: Any) -> str:
    """Hash of the users and targets of a split's rows, by their tokens: equal if ranks of two runs can be paired.

    Args:
        split: The validation or test part of a dataset of ours.

    Returns:
        SHA-256, in hexadecimal digits.
    """
    users, items = (split.id2token(field, split.inter_feat[field]) for field in (split.uid_field, split.iid_field))
    return _hash(f"{user}\t{item}" for user, item in zip(users, items, strict=True))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
