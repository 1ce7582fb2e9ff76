"""A generator that fills in the masked items of rows.

Letters: B rows, L columns, T items of all rows together, M masked ones among them, D hidden size, N items (padding row
0 included).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import encode_vectors
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.model.masked_items import generate_items, generate_items_with_loss
from recbole_cl.ragged import places_of_true


class Filled(NamedTuple):
    """Rows with their masked items filled in.

    Attributes:
        item_seq: The rows, [B, L].
        loss: Mean cross-entropy of the masked items; None if it was not requested.
        n_recovered: Number of masked items that were predicted correctly, a scalar.
        n_masked: Number of masked items.
    """

    item_seq: Tensor
    loss: Tensor | None
    n_recovered: Tensor
    n_masked: int


class ItemGenerator(nn.Module):
    """A bidirectional Transformer over rows with masked items, which shares its item table with the model.

    Reference:
        Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer",
        CIKM 2019; as a generator in Zhou et al. (ECL-SR), RecSys 2023, Eq. 14.

    Args:
        settings: Sizes and probabilities.
        generator: Source of dropout masks on the CPU, and of sampled items.
        sampled: Whether items are drawn in proportion to their probability; otherwise the most probable one is taken.
    """

    def __init__(self, settings: EncoderSettings, generator: torch.Generator, sampled: bool) -> None:
        super().__init__()
        self.encoder = TransformerEncoder(settings, generator)
        self._source = generator if sampled else None

    def forward(
        self,
        rows: Rows,
        masked: Tensor,
        item_embedding: nn.Embedding,
        with_loss: bool,
        group_by_length: bool,
        last_position: int | None = None,
        n_masked: int | None = None,
    ) -> Filled:
        """Fills in masked items; logits are computed once, and only for them.

        Args:
            rows: The original rows, right-padded.
            masked: Which items to mask and to fill in, at real positions only. Shape [B, L], bool.
            item_embedding: The shared table; its last row is that of the mask token, which is never generated.
            with_loss: Whether to compute the loss; without it there are no gradients.
            group_by_length: As for ``pack``.
            last_position: As for ``pack``.
            n_masked: M. None counts the masked items; the host then waits for the device.

        Returns:
            The filled rows.
        """
        mask_id = item_embedding.num_embeddings - 1
        real = rows.item_places()  # [T]
        rows = rows._replace(places=real)
        chosen = places_of_true(masked.flatten().index_select(0, real), n_masked)  # [M] among the T items
        given = rows.item_seq.masked_fill(masked, mask_id).flatten()
        place = real.index_select(0, chosen)  # [M]
        target = rows.item_seq.flatten().index_select(0, place)
        with torch.set_grad_enabled(with_loss and torch.is_grad_enabled()):
            vectors = item_embedding(given.index_select(0, real))  # [T, D]
            hidden = encode_vectors(self.encoder, vectors, rows, group_by_length, last_position, bidirectional=True)
        hidden, table = hidden.index_select(0, chosen), item_embedding.weight[:mask_id]
        if with_loss:
            loss, items = generate_items_with_loss(hidden, table, target, self._source)
        else:
            loss, items = None, generate_items(hidden, table, self._source)
        item_seq = given.index_copy(0, place, items).view_as(rows.item_seq)
        return Filled(item_seq, loss, (items == target).sum(), len(items))
