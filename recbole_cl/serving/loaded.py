"""A loaded run in use: its users and items by token, and the history of each user.

Letters: U users (padding row 0 included), I interactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.config.config import Config
from recbole_cl.config.messages import shown
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.fingerprint import item_fingerprint
from recbole_cl.data.vocabulary import Vocabulary, items_of
from recbole_cl.errors import UsageError
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.runs.build import build_data, build_model, config_of_run
from recbole_cl.runs.folder import BEST
from recbole_cl.runs.result import RunResult
from recbole_cl.serving.histories import Histories, histories_of
from recbole_cl.serving.recommending import SEEN, Recommender, exclusion_of
from recbole_cl.serving.top_items import TopItems, refuse_wrong_k
from recbole_cl.trainer.checkpoint import load_checkpoint
from recbole_cl.trainer.state import load_weights

if TYPE_CHECKING:
    import pandas

Until = Literal["train", "valid", "test"]
UNTIL: tuple[Until, ...] = ("train", "valid", "test")


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """A trained model with everything that is needed to use it.

    Attributes:
        config: The run's settings.
        model: With the weights of the best epoch, in eval mode.
        dataset: The whole dataset; maps ids to the user's own tokens and back.
        splits: Training, validation and test parts.
    """

    config: Config
    model: Any
    dataset: ContrastiveDataset
    splits: tuple[ContrastiveDataset, ContrastiveDataset, ContrastiveDataset]

    def __repr__(self) -> str:
        """Model and dataset, without the settings."""
        return f"LoadedRun({type(self.model).__name__} on {self.dataset.dataset_name})"

    @cached_property
    def items(self) -> Vocabulary:
        """The items by id."""
        return items_of(self.dataset)

    @cached_property
    def users(self) -> Vocabulary:
        """The users by id."""
        return Vocabulary(list(map(str, self.dataset.field2id_token[self.dataset.uid_field])), "user")

    @cached_property
    def recommender(self) -> Recommender:
        """The model together with its items."""
        return Recommender(self.model.scorer, self.items, self.dataset.max_item_list_len, self.model.device)

    def recommend(
        self,
        users: Iterable[object] | None = None,
        k: int = 10,
        *,
        histories: Iterable[Sequence[object]] | None = None,
        exclude: str | Iterable[object] = SEEN,
        history: Until = "test",
    ) -> pandas.DataFrame:
        """The best items for users of the dataset, or for new ones.

        Args:
            users: Tokens; None for all, unless there are histories.
            k: Number of items for each, at least 1.
            histories: Instead of users: rows of items' tokens, the newest last; unknown tokens are skipped.
            exclude: ``seen`` leaves out items that a user already has; ``none`` leaves out nothing; tokens leave out
                those items as well as the seen ones.
            history: The known history of users of the dataset: ``train``, ``valid`` (with validation items) or ``test``
                (everything).

        Returns:
            One line per recommendation: user (numbers from 1 for histories), rank from 1, item, score; the best first.

        Raises:
            UsageError: If a user is unknown, a history has no known item, or an argument is out of range.
        """
        if users is not None and histories is not None:
            raise UsageError("recommend: give users or histories")
        if histories is not None:
            rows = self.new_histories([(None, row) for row in histories], history)
        else:
            rows = self.histories(users, history)
        return self.recommend_after(rows, k, exclude)

    def histories(self, users: Iterable[object] | None, until: Until = "test") -> Histories:
        """Histories of users of the dataset.

        Args:
            users: Their tokens; None for all.
            until: The last part of the data to include: ``train`` only, also the validation items (``valid``), or
                everything (``test``).

        Raises:
            UsageError: If a user is unknown or has no item in these parts, or ``until`` has another value.
        """
        if isinstance(users, str):
            raise UsageError(f"users = {users!r}: expected a list of users, such as [{users!r}]")
        first, end = self._bounds(until)
        flat = self.dataset.flat[self.dataset.iid_field]
        if users is None:
            ids = torch.nonzero(end > first).squeeze(1)
        else:
            ids = torch.tensor([self.users.id_of(user) for user in users], dtype=torch.long)
            if len(without := ids[end[ids] <= first[ids]]):
                raise UsageError(f"user {self.users.tokens[without[0]]!r} has no item in the {until} part of the data")
        return Histories([self.users.tokens[i] for i in ids.tolist()], ids, flat, first[ids], end[ids])

    def new_histories(self, rows: Iterable[tuple[str | None, Sequence[object]]], until: Until = "test") -> Histories:
        """Histories of given items; for a user of the dataset they are appended to the user's own items.

        Args:
            rows: A user's token, or None, and items' tokens, oldest first.
            until: As for ``histories``.

        Raises:
            UsageError: If a row has no item that the model knows, or the model's scores depend on the user's identity.
        """
        rows = list(rows)
        first, end = (bound.tolist() for bound in self._bounds(until))
        flat = self.dataset.flat[self.dataset.iid_field]
        ids = {user: i for user, _ in rows if user is not None and (i := self.users.find(user))}
        known = {user: (i, flat[first[i] : end[i]].tolist()) for user, i in ids.items()}
        found = histories_of(rows, self.items, known)
        if bool((found.user == 0).any()) and self._depends_on_user:
            raise UsageError(
                f"{self.config['model']} scores by who the user is, so that it can't recommend to users that it "
                "was not trained on: train a model that reads only item sequences, such as SASRec"
            )
        return found

    def recommend_after(self, histories: Histories, k: int, exclude: str | Iterable[object] = SEEN) -> pandas.DataFrame:
        """The best items after each history, as a table of user, rank, item and score."""
        from recbole_cl.serving.output import frame_of

        lists = list(self.recommender.lists(histories, k, exclusion_of(exclude, self.items)))
        return frame_of(histories.names, self.items, lists)

    def similar(
        self, items: Iterable[object] | None = None, k: int = 10, rows_per_batch: int = 256
    ) -> pandas.DataFrame:
        """The items whose vectors have the most similar direction, as a table of item, rank, similar and score.

        Args:
            items: Tokens of the items to start from; None for all.
            k: At least 1, and below the number of items.
            rows_per_batch: Number of items compared together with all others.
        """
        from recbole_cl.serving.output import neighbours_of

        if isinstance(items, str):
            raise UsageError(f"items = {items!r}: expected a list of items, such as [{items!r}]")
        refuse_wrong_k(k, len(self.items) - 2, "other items")
        ids = range(1, len(self.items)) if items is None else [self.items.id_of(item) for item in items]
        parts = torch.tensor(list(ids), dtype=torch.long).split(rows_per_batch)
        return neighbours_of(list(ids), self.items, [self._neighbours(part, k) for part in parts])

    @torch.no_grad()
    def _neighbours(self, ids: Tensor, k: int) -> TopItems:
        ids = ids.to(self.item_vectors.device)
        scores = self.item_vectors[ids] @ self.item_vectors.T
        scores[:, 0] = -torch.inf
        scores[torch.arange(len(ids), device=ids.device), ids] = -torch.inf
        best = scores.topk(k)
        return TopItems(best.indices.cpu(), best.values.cpu())

    @cached_property
    def item_vectors(self) -> Tensor:
        """Unit vectors of all items, [N, D]."""
        return functional.normalize(self.item_table.float(), dim=-1)

    @cached_property
    def item_table(self) -> Tensor:
        """The vectors of all items, [N, D]; for our methods, scores are products with these vectors.

        With ``history_penalty``, the scores of items of the history are lower than these products.

        Raises:
            UsageError: If the model is a RecBole model without vectors under the usual name.
        """
        model: Any = self.model
        table = getattr(model, "item_table", None)
        if table is None and isinstance(found := getattr(model, "item_embedding", None), nn.Embedding):
            table = found.weight[: len(self.items)]  # S3Rec counts its mask token as an item
        if table is None:
            raise UsageError(f"{self.config['model']} keeps no table of item vectors under the name item_embedding")
        return table.detach()

    @torch.no_grad()
    def sequence_vectors(self, histories: Histories, rows_per_batch: int = 256) -> Tensor:
        """The representation of each history, [R, D], on the CPU; scores are its products with ``item_table``.

        Raises:
            UsageError: If the model is a RecBole model without representations.
        """
        model: Any = self.model
        if not isinstance(model, EncoderRecommender):
            raise UsageError(f"{self.config['model']} gives no vectors of sequences: train a model of ours")
        parts = []
        for batch in self.recommender.batches(histories, rows_per_batch):
            parts.append(model.forward(batch.item_seq[:, : int(batch.seq_len.max())], batch.seq_len).cpu())
        return torch.cat(parts)

    def _bounds(self, until: str) -> tuple[Tensor, Tensor]:
        """The begin and the end of each user's interactions in the flat data, up to a given part of it, [U] each."""
        if until not in UNTIL:
            raise UsageError(f"history = {until!r}: expected {', '.join(UNTIL)}")
        if self.dataset.names_items:
            return self._bounds_of_lists(until)
        flat_user = self.dataset.flat[self.dataset.uid_field]
        ids = torch.arange(len(self.users))
        first, end = torch.searchsorted(flat_user, ids), torch.searchsorted(flat_user, ids, right=True)
        _, valid, test = self.splits
        for split in {"train": (valid, test), "valid": (test,), "test": ()}[until]:
            features = split.inter_feat
            end.scatter_reduce_(0, features[split.uid_field], features["row_end"], "amin")
        return first, end

    def _bounds_of_lists(self, until: str) -> tuple[Tensor, Tensor]:
        """As ``_bounds``, where each row lists its items: those of the user's last row, and its target."""
        end = torch.zeros(len(self.users), dtype=torch.long)
        for split in self.splits[: UNTIL.index(until) + 1]:
            features = split.inter_feat
            end.scatter_reduce_(0, features[split.uid_field], features["row_end"] + 1, "amax")
        return torch.where(end > 0, self.dataset.user_start[end - 1], 0), end

    @cached_property
    def _depends_on_user(self) -> bool:
        """Whether a RecBole model gives the same history different scores for different users."""
        if self.model.encodes_rows:
            return False
        device, width = self.model.device, self.recommender.width
        row = torch.arange(width, device=device) % (len(self.items) - 1) + 1  # SHAN's users weigh a row's items
        item_seq, length = row.expand(2, -1), torch.full((2,), width, device=device)
        user = torch.arange(2, device=device)
        with torch.no_grad():
            scores = self.model.scorer(item_seq, length, user)(slice(0, 2), slice(1, len(self.items)))
        return not np.allclose(*scores.cpu().numpy())


def load(
    run_dir: str | Path | RunResult, model: str | type | None = None, *, data_path: str | Path | None = None
) -> LoadedRun:
    """Rebuilds a finished run from its folder: settings, data and the weights of the best epoch.

    Args:
        run_dir: A run folder, or the result of a run.
        model: The class of the model, or its dotted path, if the model is neither ours nor RecBole's. A module that
            only the folder names is not imported.
        data_path: Folder of dataset folders, if it is no longer where the run found it.

    Returns:
        The run, its model in eval mode.

    Raises:
        UsageError: If the folder holds no run, or a run of another model, or its checkpoint is refused.
    """
    where = run_dir.run_dir if isinstance(run_dir, RunResult) else run_dir
    if not isinstance(where, str | Path):
        raise UsageError(f"load({shown(where)}): expected a run folder, or what a run returned")
    folder = Path(where)
    config = config_of_run(folder, model, data_path)
    dataset, splits = build_data(config)
    trained = build_model(config, splits[0])
    state = load_checkpoint(folder / BEST, trained.device)
    if state.get("items") != item_fingerprint(dataset):
        raise UsageError(f"{folder} was trained on other items than {dataset.dataset_name} has now: train again")
    load_weights(state, trained, folder / BEST)
    return LoadedRun(config, trained.eval(), dataset, splits)
