"""The centroids of the training rows' representations, as part of a model and of its checkpoints.

Letters: R training rows, B rows of a batch, L columns, P numbers of a row's representation, K intents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from pydantic import Field
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.config.schema import Count, MethodSettings
from recbole_cl.data.hooks import TrainingRows
from recbole_cl.data.training_rows import training_rows
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.model.intents.kmeans import fit_centroids

_BLOCK = 512  # rows encoded at a time


class IntentSettings(MethodSettings):
    """How rows are clustered, for the methods that contrast with intents."""

    n_intents: Annotated[int, Ge(2), Le(2**16)] = Field(description="K")
    warm_start: bool
    cluster_iterations: Count
    cluster_restarts: Count
    max_rows_per_intent: Count


class Nearest(NamedTuple):
    """The intent of each row.

    Attributes:
        cluster: Its number. Shape [B].
        centroid: Its centroid, divided by its norm. Shape [B, P].
    """

    cluster: Tensor
    centroid: Tensor


class Intents(nn.Module):
    """Clusters a model's training rows, and gives the nearest centroid of each row of a batch.

    The model calls ``refit`` at the beginning of every epoch; ``fitted`` tells whether this has happened. The centroids
    are buffers and so part of checkpoints: a resumed run starts from the same ones. They receive no gradient.

    Reference:
        Chen, Liu, Li, McAuley and Xiong, "Intent Contrastive Learning for Sequential Recommendation" (ICLRec), WWW
        2022, and the authors' code.

    Args:
        options: The settings.
        width: P.
        rows: The rows to cluster, on any device; None if there are none, as in a placeholder dataset.
        seed: Seed of the run.

    Note:
        If there are fewer rows than ``n_intents``, each row is its own intent.
    """

    centroids: Tensor
    is_fitted: Tensor

    def __init__(self, options: IntentSettings, width: int, rows: TrainingRows | None, seed: int) -> None:
        super().__init__()
        self.options = options
        self._rows, self._seed = rows, seed
        n_rows = options.n_intents if rows is None else len(rows.target)
        self.register_buffer("centroids", torch.zeros(min(options.n_intents, n_rows), width))
        self.register_buffer("is_fitted", torch.zeros((), dtype=torch.bool))
        self._fitted = False  # a copy on the host, which then need not wait for a device
        self._distance = 0.0

    @property
    def fitted(self) -> bool:
        """Whether the centroids have been computed."""
        self._fitted = self._fitted or bool(self.is_fitted)
        return self._fitted

    @torch.no_grad()
    def refit(self, epoch: int, model: nn.Module, represent: Callable[[Rows], Tensor]) -> None:
        """Clusters the training rows as the model encodes them now, in eval mode and in float32.

        Args:
            epoch: The epoch that begins, from 0; together with the run's seed it determines all draws.
            model: The model; its training mode is restored afterwards.
            represent: Encodes rows, [B, L] and [B] -> [B, P].

        Raises:
            UsageError: If there are no rows.
        """
        if self._rows is None:
            raise UsageError("n_intents: the model was built on no training rows, so there is nothing to cluster")
        training = model.training
        model.eval()
        points = self._points(self._rows, epoch, represent)
        model.train(training)
        options, warm = self.options, self.options.warm_start and self.fitted
        centroids, self._distance = fit_centroids(
            points.numpy(),
            len(self.centroids),
            self._seed + epoch,
            iterations=options.cluster_iterations,
            restarts=options.cluster_restarts,
            start=self.centroids.float().cpu().numpy() if warm else None,
        )
        self.centroids.copy_(torch.from_numpy(centroids))
        self.is_fitted.fill_(True)
        self._fitted = True

    def _points(self, rows: TrainingRows, epoch: int, represent: Callable[[Rows], Tensor]) -> Tensor:
        """Representations of the rows, or of a random subset if there are too many, in float32 on the host."""
        n_rows, most = len(rows.target), len(self.centroids) * self.options.max_rows_per_intent
        place = rows.target.device
        if n_rows > most:
            generator = torch.Generator().manual_seed(self._seed + epoch)
            number = torch.randperm(n_rows, generator=generator)[:most].sort().values.to(place)
        else:
            number = torch.arange(n_rows, device=place)
        points = torch.empty(len(number), self.centroids.shape[1])
        device = self.centroids.device
        with torch.autocast(device.type, enabled=False):
            for mine, block in zip(number.split(_BLOCK), points.split(_BLOCK), strict=True):
                taken = rows.take(mine)
                block.copy_(represent(Rows(taken.item_seq.to(device), taken.seq_len.to(device))))
        return points

    def forward(self, query: Tensor) -> Nearest:
        """The nearest centroid of each row, by Euclidean distance to the unnormalised centroids.

        Args:
            query: Representations of rows; they receive no gradient. Shape [B, P].

        Returns:
            Clusters and unit centroids.
        """
        with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
            centroids = self.centroids
            squares = centroids.square().sum(1)  # [K]; a query's own square is the same for all
            cluster = (squares - 2 * query.to(centroids.dtype) @ centroids.T).argmin(1)
            return Nearest(cluster, F.normalize(centroids, dim=1).index_select(0, cluster))

    def contrast(
        self, z: Tensor, temperature: float, similarity: str, mask_same_intent: bool, nearest: Nearest | None = None
    ) -> Tensor:
        """InfoNCE between representations and intents.

        Args:
            z: Representations of rows. Shape [B, P].
            temperature: As for ``info_nce``.
            similarity: As for ``info_nce``.
            mask_same_intent: Whether rows with the same intent are not used as negatives of each other.
            nearest: Their intents; None uses those nearest to ``z``.

        Returns:
            Scalar.
        """
        cluster, centroid = self(z.detach()) if nearest is None else nearest
        mask = same_target_mask(cluster) if mask_same_intent else None
        return info_nce(z, centroid.to(z.dtype), temperature, similarity, mask)

    def figures(self) -> dict[str, float]:
        """Statistics of an epoch's clusters: mean squared distance of the rows to their centroids."""
        return {"intent_distance": self._distance} if self._distance else {}


def intents_of(dataset: Any, options: Any, seed: int) -> Intents:
    """The intents of the training rows that contrasts compare: whole rows, or each prefix.

    Args:
        dataset: The training split.
        options: The method's settings, among them those of ``IntentSettings``.
        seed: Seed of the run.
    """
    whole = options.train_form == "sequence" and not options.anchors_per_row
    return Intents(options, options.hidden_size, training_rows(dataset, whole=whole), seed)
