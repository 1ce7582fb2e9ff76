"""BERT4Rec: a bidirectional encoder that predicts masked items; the next item is masked, too, in some batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Gt, Le
from pydantic import Field
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_cl.augmentation.cloze import choose_hidden, last_items
from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, Share
from recbole_cl.encoder.packing import Packing, both_ways
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.ragged import append, columns


class BERT4RecSettings(EncoderRecommenderSettings):
    """Settings of BERT4Rec, with the paper's symbols."""

    mask_ratio: Annotated[float, Gt(0), Le(1)] = Field(description="rho")
    last_item_share: Share
    recbole_exact: bool

    papers: ClassVar[Papers] = said(
        "BERT4Rec, the authors' code",
        mask_ratio=ByDataset(Beauty=0.6, ML_1M=0.2),
        hidden_dropout_prob=ByDataset(Beauty=0.5),
        attn_dropout_prob=ByDataset(Beauty=0.2),
        MAX_ITEM_LIST_LENGTH=ByDataset(Beauty=50, ML_1M=200),
        n_layers=2,
        n_heads=2,
        hidden_size=64,
        train_form="sequence",
        recommendation_loss="ce",
        train_batch_size=256,
        learning_rate=0.0001,
    )


class BERT4Rec(EncoderRecommender):
    r"""Cloze: masked items are predicted from the items on both sides of them.

    .. math:: L = \frac{1}{|S^m|} \sum_{v_m \in S^m} -\log P(v_m \mid S'), \qquad
        P(v) = softmax(LN(GELU(h W^P + b^P)) E^\top + b^O)

    A row is a training row followed by its target. In a share of the batches only the last items are masked; test rows
    look like this, with a mask after the newest item.

    Reference:
        Sun, Liu, Wu, Pei, Lin, Ou and Jiang, "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
        Representations from Transformer", CIKM 2019, Eq. 7-8.

    Note:
        ``recbole_exact`` repeats what RecBole 1.2.1 does: rows without their target; no loss at the oldest position,
            nor for more masked items than ``mask_ratio`` of the longest row; and test rows that lose their oldest item
            however short they are. ``docs/methods/bert4rec.md`` compares both.
    """

    needs_attention = True
    encodes_rows: ClassVar[bool] = False
    has_mask_token = True
    item_weights: ClassVar[tuple[str, ...]] = (*EncoderRecommender.item_weights, "item_bias")
    settings: ClassVar[type[MethodSettings]] = BERT4RecSettings
    options: BERT4RecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        size = self.options.hidden_size
        self.head = nn.Linear(size, size)
        self.head_norm = nn.LayerNorm(size, eps=self.options.layer_norm_eps)
        self.item_bias = nn.Parameter(torch.zeros(self.n_items))
        self.head.apply(self.initialise)

    @property
    def item_table(self) -> Tensor:
        """Embeddings of all items that can be scored, with their bias as an additional number. Shape [N, D + 1]."""
        return torch.cat((super().item_table, self.item_bias.unsqueeze(1)), dim=1)

    def packed(self, segments: Sequence[Rows]) -> tuple[Tensor, Packing]:
        """As in the base class, but every item attends to later ones, too."""
        tokens, packing = super().packed(segments)
        return tokens, both_ways(packing)

    def represent(self, hidden: Tensor) -> Tensor:
        """The vectors to multiply with ``item_table``: the head's output and a one, [..., D] -> [..., D + 1]."""
        output = self.head_norm(F.gelu(self.head(hidden)))
        return F.pad(output, (0, 1), value=1.0)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        item_seq, seq_len = batch.item_seq, batch.seq_len
        if not self.options.recbole_exact:
            item_seq, seq_len = append(item_seq, seq_len, batch.target, self.max_seq_length)
        hidden_items = self._hide(item_seq, seq_len)
        return {"recommendation": self.cloze_loss(Rows(item_seq, seq_len), hidden_items)}

    def _hide(self, item_seq: Tensor, seq_len: Tensor) -> Tensor:
        """Which items are masked, [B, L], bool."""
        options = self.options
        always: Any = "none" if options.recbole_exact else "one"
        chosen = choose_hidden(item_seq, seq_len, self.generator, ratio=options.mask_ratio, always=always)
        coin = torch.rand(1, generator=self.generator, device=item_seq.device)
        return torch.where(coin < options.last_item_share, last_items(item_seq, seq_len), chosen)

    def cloze_loss(self, rows: Rows, hidden_items: Tensor) -> Tensor:
        """The mean recommendation loss of the masked items.

        Args:
            rows: The original rows.
            hidden_items: Which items are masked. [B, L], bool.

        Returns:
            Scalar; 0 if no item counts, which can happen only with ``recbole_exact``.
        """
        places = rows.item_places()
        given = rows.item_seq.masked_fill(hidden_items, self.mask_id)
        (hidden,) = self.encode(Rows(given, rows.seq_len, "items", places=places))
        counts = self._counted(hidden_items) if self.options.recbole_exact else hidden_items
        chosen = counts.flatten().index_select(0, places).nonzero().squeeze(1)
        if not len(chosen):
            return hidden.sum() * 0
        target = rows.item_seq.flatten().index_select(0, places.index_select(0, chosen))
        return self.recommendation_loss(self.represent(hidden.index_select(0, chosen)), target)

    def _counted(self, hidden_items: Tensor) -> Tensor:
        """The items that RecBole counts: the newest masked ones, as many as it has slots, not the oldest position."""
        slots = int(self.options.mask_ratio * self.max_seq_length)
        from_here_on = hidden_items.flip(1).cumsum(1).flip(1)
        return hidden_items & (from_here_on <= slots) & (columns(hidden_items) > 0)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Representation of each row: that of a mask after its items, [B, L] and [B] -> [B, D + 1]."""
        mask = torch.full_like(item_seq_len, self.mask_id)
        if self.options.recbole_exact:
            item_seq, seq_len = append(F.pad(item_seq[:, 1:], (0, 1)), item_seq_len - 1, mask, item_seq.shape[1])
        else:
            item_seq, seq_len = append(item_seq, item_seq_len, mask, self.max_seq_length)
        return self.represent(self.encode(Rows(item_seq, seq_len))[0])

    def predict(self, interaction: Interaction) -> Tensor:
        """Score of each row's own item, [B]."""
        hidden = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return (hidden * F.embedding(interaction[self.ITEM_ID], self.item_table)).sum(-1)
