"""A loaded run in use: its users and items by their tokens, and what is known of each user.

Letters: U users (padding row 0 included), I interactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.errors import UsageError
from recbole_cl.serving.histories import Histories, histories_of
from recbole_cl.serving.recommending import SEEN, Recommender, exclusion_of
from recbole_cl.serving.vocabulary import Vocabulary

if TYPE_CHECKING:
    import pandas

    from recbole_cl.runs.runner import LoadedRun

Until = Literal["train", "valid", "test"]
UNTIL: tuple[Until, ...] = ("train", "valid", "test")


class Neighbours(NamedTuple):
    """Lists of items that are near others: ids and cosine similarities, [R, K]."""

    item: Tensor
    score: Tensor


class Serving:
    """What a loaded run is asked for.

    Args:
        run: The run.
    """

    def __init__(self, run: LoadedRun) -> None:
        self.run = run
        data = run.dataset
        self.items = Vocabulary(list(map(str, data.field2id_token[data.iid_field])))
        self.users = Vocabulary(list(map(str, data.field2id_token[data.uid_field])), "user")
        self.recommender = Recommender(run.model.scorer, self.items, data.max_item_list_len, run.model.device)

    def histories(self, users: Iterable[object] | None, until: Until = "test") -> Histories:
        """Histories of users of the dataset.

        Args:
            users: Their tokens; None for all.
            until: The last part of the data that they reach into: ``train`` alone, or also the validation items
                (``valid``), or everything (``test``).

        Raises:
            UsageError: If a user is unknown or has no item by then, or the argument is another.
        """
        if isinstance(users, str):
            raise UsageError(f"users = {users!r}: expected a list of users, such as [{users!r}]")
        first, end = self._bounds(until)
        flat = self.run.dataset.flat[self.run.dataset.iid_field]
        if users is None:
            ids = torch.nonzero(end > first).squeeze(1)
        else:
            ids = torch.tensor([self.users.id_of(user) for user in users], dtype=torch.long)
            if len(without := ids[end[ids] <= first[ids]]):
                raise UsageError(f"user {self.users.tokens[without[0]]!r} has no item in the {until} part of the data")
        return Histories([self.users.tokens[i] for i in ids.tolist()], ids, flat, first[ids], end[ids])

    def new_histories(self, rows: Iterable[tuple[str | None, Sequence[object]]], until: Until = "test") -> Histories:
        """Histories of given items; those of a user of the dataset come after the user's own there.

        Args:
            rows: A user's token, or None, and items' tokens, oldest first.
            until: As for ``histories``.

        Raises:
            UsageError: If a row has no item that the model knows, or the model's scores depend on who the user is.
        """
        rows = list(rows)
        first, end = (bound.tolist() for bound in self._bounds(until))
        flat = self.run.dataset.flat[self.run.dataset.iid_field]
        ids = {user: i for user, _ in rows if user is not None and (i := self.users.find(user))}
        known = {user: (i, flat[first[i] : end[i]].tolist()) for user, i in ids.items()}
        found = histories_of(rows, self.items, known)
        if bool((found.user == 0).any()) and self._depends_on_user:
            raise UsageError(
                f"{self.run.config['model']} scores by who the user is, so that it can't recommend to users that it "
                "was not trained on: train a model that reads item sequences alone, such as SASRec"
            )
        return found

    def recommend(self, histories: Histories, k: int, exclude: str | Iterable[object] = SEEN) -> pandas.DataFrame:
        """The best items after each history, as a table of user, rank, item and score."""
        from recbole_cl.serving.output import frame_of

        lists = list(self.recommender.lists(histories, k, exclusion_of(exclude, self.items)))
        return frame_of(histories.names, self.items, lists)

    def similar(self, items: Iterable[object] | None, k: int, rows_per_batch: int = 256) -> pandas.DataFrame:
        """The items whose vectors point most nearly the same way, as a table of item, rank, similar and score.

        Args:
            items: Tokens of the items to start from; None for all.
            k: At least 1, and below the number of items.
            rows_per_batch: Items compared together with all others.
        """
        from recbole_cl.serving.output import neighbours_of

        if isinstance(items, str):
            raise UsageError(f"items = {items!r}: expected a list of items, such as [{items!r}]")
        if not 1 <= k < len(self.items) - 1:
            raise UsageError(f"k = {k}: expected 1 to {len(self.items) - 2}, the number of other items")
        ids = range(1, len(self.items)) if items is None else [self.items.id_of(item) for item in items]
        parts = torch.tensor(list(ids), dtype=torch.long).split(rows_per_batch)
        return neighbours_of(list(ids), self.items, [self._neighbours(part, k) for part in parts])

    @torch.no_grad()
    def _neighbours(self, ids: Tensor, k: int) -> Neighbours:
        ids = ids.to(self.item_vectors.device)
        scores = self.item_vectors[ids] @ self.item_vectors.T
        scores[:, 0] = -torch.inf
        scores[torch.arange(len(ids), device=ids.device), ids] = -torch.inf
        best = scores.topk(k)
        return Neighbours(best.indices.cpu(), best.values.cpu())

    @cached_property
    def item_vectors(self) -> Tensor:
        """Unit vectors of all items, [N, D]."""
        return functional.normalize(self.item_table.float(), dim=-1)

    @cached_property
    def item_table(self) -> Tensor:
        """The vectors of all items, [N, D]: for our methods those that scores are products with.

        Raises:
            UsageError: If the model, one of RecBole's, has none under the usual name.
        """
        model: Any = self.run.model
        table = getattr(model, "item_table", None)
        if table is None and isinstance(found := getattr(model, "item_embedding", None), nn.Embedding):
            table = found.weight[: model.n_items]
        if table is None:
            raise UsageError(f"{self.run.config['model']} keeps no table of item vectors under the name item_embedding")
        return table.detach()

    @torch.no_grad()
    def sequence_vectors(self, histories: Histories, rows_per_batch: int = 256) -> Tensor:
        """The representation of each history, [R, D], on the CPU: what scores are the products with items of.

        Raises:
            UsageError: If the model, one of RecBole's, gives no representations.
        """
        model: Any = self.run.model
        if not model.encodes_rows:
            raise UsageError(f"{self.run.config['model']} gives no vectors of sequences: train a model of ours")
        parts = []
        for batch in self.recommender.batches(histories, rows_per_batch):
            parts.append(model.forward(batch.item_seq[:, : int(batch.seq_len.max())], batch.seq_len).cpu())
        return torch.cat(parts)

    def _bounds(self, until: str) -> tuple[Tensor, Tensor]:
        """Where each user's interactions begin and end in the flat data, up to a part of it, [U] each."""
        if until not in UNTIL:
            raise UsageError(f"history = {until!r}: expected {', '.join(UNTIL)}")
        flat_user = self.run.dataset.flat[self.run.dataset.uid_field]
        ids = torch.arange(len(self.users))
        first, end = torch.searchsorted(flat_user, ids), torch.searchsorted(flat_user, ids, right=True)
        _, valid, test = self.run.splits
        for split in {"train": (valid, test), "valid": (test,), "test": ()}[until]:
            features = split.inter_feat
            end.scatter_reduce_(0, features[split.uid_field], features["row_end"], "amin")
        return first, end

    @cached_property
    def _depends_on_user(self) -> bool:
        """Whether a model of RecBole's gives one history other scores for another user."""
        if self.run.model.encodes_rows:
            return False
        device, width = self.run.model.device, self.recommender.width
        item_seq = torch.zeros(2, width, dtype=torch.long, device=device)
        item_seq[:, 0] = 1
        length, user = torch.ones(2, dtype=torch.long, device=device), torch.arange(2, device=device)
        with torch.no_grad():
            scores = self.run.model.scorer(item_seq, length, user)(slice(0, 2), slice(1, len(self.items)))
        return not np.allclose(*scores.cpu().numpy())
