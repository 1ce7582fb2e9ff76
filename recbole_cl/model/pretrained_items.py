"""The item embedding from pretrained vectors.

Letters: N items (padding row 0 included), P values of a vector, D hidden size, M items without a vector.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.data.item_vectors import pretrained_vectors


def item_embedding(options: Any, dataset: Any, n_rows: int, generator: torch.Generator) -> Any:
    """The item table of a model: an ``nn.Embedding``, or its replacement if there are pretrained vectors.

    Args:
        options: The model's settings.
        dataset: RecBole's or our training split.
        n_rows: Number of items, plus one for the mask token if there is one.
        generator: Source of the vectors that are not given.
    """
    pretrained = pretrained_vectors(dataset, options.pretrained_items)
    if pretrained is None:
        return nn.Embedding(n_rows, options.hidden_size, padding_idx=0)
    vectors, has_vector = pretrained
    behind = n_rows - len(vectors)  # the mask token
    vectors, has_vector = functional.pad(vectors, (0, 0, 0, behind)), functional.pad(has_vector, (0, behind))
    frozen = options.freeze_pretrained_items
    return PretrainedItems(vectors, has_vector, options.hidden_size, frozen=frozen, generator=generator)


class PretrainedItems(nn.Module):
    """Replaces ``nn.Embedding``: given vectors, projected to D without bias if P is another size.

    Items without a vector, and the mask token, start from normal vectors with the spread of the given ones. They are
    always trained, even if the given vectors are frozen.

    Args:
        vectors: The given vectors. Shape [N, P]; the last row is the mask token's, if there is one.
        has_vector: Which items have one. Shape [N].
        size: D.
        frozen: Whether the given vectors stay fixed; the projection is always trained.
        generator: Source of the vectors that are not given.
    """

    given: Tensor
    lacking: Tensor

    def __init__(
        self, vectors: Tensor, has_vector: Tensor, size: int, *, frozen: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.num_embeddings, width = vectors.shape
        self.embedding_dim = size
        drawn = torch.randn(vectors.shape, generator=generator) * vectors[has_vector].std(correction=0)
        drawn[0] = 0
        table = torch.where(has_vector.unsqueeze(1), vectors, drawn)
        self.frozen = frozen
        if frozen:
            lacking = (~has_vector).nonzero().squeeze(1)
            self.register_buffer("given", table)  # [N, P]
            self.register_buffer("lacking", lacking)  # [M]
            self.own = nn.Parameter(table[lacking])  # [M, P]
        else:
            self.table = nn.Parameter(table)  # [N, P]
        self.projection = nn.Identity() if width == size else nn.Linear(width, size, bias=False)

    @property
    def weight(self) -> Tensor:
        """Embeddings of all items. Shape [N, D]."""
        table = self.given.index_copy(0, self.lacking, self.own) if self.frozen else self.table
        projected: Tensor = self.projection(table)
        return projected

    def forward(self, items: Tensor) -> Tensor:
        """Embeddings of some items, [...] -> [..., D]."""
        return functional.embedding(items, self.weight)
