"""Groups of the users of stored runs. The data are read again, because runs store only ranks. U users, N items."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_cl.config.common import DataKeys
from recbole_cl.config.settings import canonical
from recbole_cl.errors import UsageError
from recbole_cl.report.store import StoredRun

BY = {
    "length": "items that are known of a user before the target",
    "popularity": "how often the target was bought in training",
    "cold": "cold: the target was bought at most 5 times in training, warm: more often",
}
_COLD = 5
_OF_DATA = {*DataKeys.model_fields, "data_path", "eval_args"}
_READER = "SASRec"  # its other settings do not affect the data


class UserCounts(NamedTuple):
    """The counts by which users are grouped, in the order of stored ranks.

    Attributes:
        length: Items before the target, [U].
        popularity: Interactions of the target in training, of all users, [U].
        of_items: Interactions of each item in training, by id, [N].
    """

    length: NDArray[np.int64]
    popularity: NDArray[np.int64]
    of_items: NDArray[np.int64]


def users_by(run: StoredRun, by: str) -> list[tuple[str, NDArray[np.bool_]]]:
    """Groups of a run's test users.

    Args:
        run: A run that was tested on them.
        by: One of `BY`.

    Returns:
        For each group: its name, with the number of its users in brackets, and which users are in it, [U].

    Raises:
        UsageError: the run has no settings, or its data are missing or have changed.
    """
    counts = user_counts(run)
    if by == "cold":
        cold = counts.popularity <= _COLD
        found = [(name, inside) for name, inside in (("cold", cold), ("warm", ~cold)) if inside.any()]
    else:
        import torch

        from recbole_cl.evaluation.groups import grouped

        values = torch.from_numpy(getattr(counts, by))
        found = [(name, inside.numpy()) for name, inside in grouped(values)]
    return [(f"{name} ({inside.sum()})", inside) for name, inside in found]


def user_counts(run: StoredRun) -> UserCounts:
    """The counts of a run's test users.

    Raises:
        UsageError: as for `users_by`.
    """
    if run.settings is None:
        raise UsageError(f"{run.run_dir} has no settings, by which its data could be read: leave out groups of users")
    settings = {key: value for key, value in run.settings.items() if key in _OF_DATA}  # None overrides a preset, too
    counts, targets = _counts_of(run.dataset, _Settings(settings))
    if run.targets not in (None, targets) or len(counts.length) != run.n_users:
        raise UsageError(f"{run.run_dir} ranked other users or items than {run.dataset} has now: run it again")
    return counts


class _Settings(dict[str, Any]):
    """Settings compared by content, so that the same data are read only once."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(canonical(self))


@lru_cache(maxsize=4)
def _counts_of(dataset: str, settings: _Settings) -> tuple[UserCounts, str]:
    """Counts, and the hash of the targets that they belong to."""
    from recbole_cl.data.fingerprint import target_fingerprint
    from recbole_cl.data.rows import rows_of
    from recbole_cl.evaluation.groups import history_lengths, item_counts
    from recbole_cl.runs.build import build_config, build_data

    every_user = {"train_users_share": 1.0, "use_gpu": False}
    _, (train, _, test) = build_data(build_config(_READER, dataset, (), dict(settings) | every_user))
    rows = rows_of(test)
    counts = item_counts(train)
    lengths, popularity = history_lengths(rows).numpy(), counts[rows.target].numpy()
    return UserCounts(lengths, popularity, counts.numpy()), target_fingerprint(test)
