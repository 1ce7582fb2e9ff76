"""Shared code of all methods: embedding, encoding, recommendation loss and scoring.

Letters: B rows, L columns, T targets, W wanted outputs, D hidden size, N items (padding row 0 included).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from recbole.data.interaction import Interaction

# Not from ``recbole.model.sequential_recommender``: importing any model of that package enables autograd anomaly
# detection for the whole process (in its sine.py), which makes training take 1.4-1.6 times as long.
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor, nn

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.schema import MethodSettings
from recbole_cl.distributed.sharing import encode_in_shares
from recbole_cl.encoder.packing import Packing, pack, padded
from recbole_cl.encoder.registry import ENCODERS, Abilities, EncoderSettings, SequenceEncoder
from recbole_cl.errors import UsageError
from recbole_cl.model.batch_reader import BatchReader, Fields
from recbole_cl.model.checks import groups_by_length, refuse_unable_encoder
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.model.history_penalty import HistoryPenalty
from recbole_cl.model.interface import Scorer, TrainableModel
from recbole_cl.model.pretrained_items import item_embedding
from recbole_cl.model.reading import TrainingPlan, read_options, read_plan, refuse_sampled_targets
from recbole_cl.model.recommendation import RecommendationLoss


class EncoderRecommender(TrainableModel, SequentialRecommender):
    """Base of all methods: an encoder over item embeddings, trained by next-item prediction and named extra terms.

    A method declares its own settings, its needs from the loader, and its loss terms:

    * ``settings``: the class of its settings, which extends that of its base; the values are then in ``options``;
    * ``batch_hooks``: what to draw for each anchor of a batch, such as positives;
    * ``has_mask_token``: whether the item table has an extra row for masked positions, which is never recommended;
    * ``needs_attention``: whether its encoder must be a Transformer;
    * ``item_weights``: weights with one row per item, which ``init_from`` matches by token;
    * ``losses``: the terms whose sum is minimised;
    * ``start_epoch`` and ``end_epoch``, if something changes, or is recorded, from epoch to epoch;
    * ``has_next_stage`` and ``start_next_stage``, if training continues after early stopping.

    Args:
        config: RecBole's or our ``Config``.
        dataset: RecBole's or our training split: provides the counts, and the rows that a method may be fitted to.
    """

    input_type = InputType.POINTWISE
    encodes_rows: ClassVar[bool] = True
    generator: torch.Generator
    abilities: Abilities  # of the encoder
    needs_attention: ClassVar[bool] = False
    item_weights: ClassVar[tuple[str, ...]] = ("item_embedding.weight", "item_embedding.table")
    settings: ClassVar[type[MethodSettings]] = EncoderRecommenderSettings
    options: EncoderRecommenderSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        refuse_sampled_targets(config, type(self).__name__)
        super().__init__(config, dataset)
        self.options = read_options(config, type(self))
        self.plan: TrainingPlan = read_plan(config)
        self.mask_id = self.n_items  # the extra row, if there is one
        self.generator = torch.Generator(self.device).manual_seed(self.plan.seed)  # views, and dropout on the CPU
        self._init_generator = torch.Generator().manual_seed(self.plan.seed)
        self.group_by_length = groups_by_length(self.options)
        self._last_position = self.max_seq_length - 1 if self.options.right_aligned else None
        n_rows = self.n_items + self.has_mask_token
        self.item_embedding = item_embedding(self.options, dataset, n_rows, self._init_generator)
        self.encoder: nn.Module = self._build_encoder()
        if self.options.compile_encoder:
            self.encoder.compile(dynamic=True)  # in place, so that weight names do not change
        self._recommendation = RecommendationLoss(
            self.options, self.n_items, self.max_seq_length, self.generator, dataset
        )
        self.history_penalty = self._build_history_penalty()
        fields = Fields(self.ITEM_SEQ, self.ITEM_SEQ_LEN, self.POS_ITEM_ID, self.USER_ID)
        self._read = BatchReader(fields, self.batch_hooks, dataset, self.plan.seed)
        self.apply(self.initialise)

    @property
    def has_mask_token(self) -> bool:
        """Whether the item table has an extra row for masked positions, which is never recommended."""
        return False

    @property
    def encoder_settings(self) -> EncoderSettings:
        """Sizes and probabilities of the encoder."""
        shared = self.options.model_dump(include=set(EncoderSettings._fields))
        return EncoderSettings(**shared, max_seq_length=self.max_seq_length)

    def _build_encoder(self) -> SequenceEncoder:
        encoder = ENCODERS.resolve(self.options.encoder)
        self.abilities = encoder.abilities
        refuse_unable_encoder(self.options, self.abilities, type(self).__name__, self.needs_attention)
        return encoder(self.encoder_settings, self.generator)

    def _build_history_penalty(self) -> HistoryPenalty | None:
        if not self.options.history_penalty:
            return None
        for part in ("score_rows", "scorer", "predict", "full_sort_predict"):
            if getattr(type(self), part) is not getattr(EncoderRecommender, part):
                name = type(self).__name__
                raise UsageError(f"history_penalty = True: {name} has its own {part}, without it; set it to False")
        return HistoryPenalty(self.options.hidden_size, self.n_items)

    @property
    def item_table(self) -> Tensor:
        """Embeddings of all items that can be scored: the padding row included, no mask token. Shape [N, D]."""
        return self.item_embedding.weight[: self.n_items]

    def encode(self, *segments: Rows) -> list[Tensor]:
        """Encodes several views in one pass.

        Args:
            segments: Rows; each states at which positions its outputs are wanted.

        Returns:
            For each segment the outputs in its own order: [B, D] at the last positions, [T, D] at every real position,
                or [B * L, D] at all columns, row after row.
        """
        return self.encode_by(self.encoder, *segments)

    def encode_by(self, encoder: Callable[[Tensor, Packing], Tensor], *segments: Rows) -> list[Tensor]:
        """As ``encode``, with another encoder, or with the same encoder called differently."""

        def encode(*segments: Rows) -> list[Tensor]:
            tokens, packing = self.packed(segments)
            output = encoder(tokens, packing)  # [W, D]
            return [output.index_select(0, index) for index in packing.outputs]

        return encode_in_shares(encode, segments, self.generator)

    def packed(self, segments: Sequence[Rows]) -> tuple[Tensor, Packing]:
        """The input of the encoder: the item vectors of all segments, [T, D], and their packing."""
        with_padding = self.abilities.encodes_padding
        if with_padding:  # the full width: outputs must not depend on the longest row of a batch
            segments = [padded(rows, self.max_seq_length) for rows in segments]
        packing = pack(segments, self.group_by_length, self._last_position, with_padding)
        items = torch.cat([rows.item_seq.flatten() for rows in segments]).index_select(0, packing.token_index)
        return self.item_embedding(items), packing

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss terms by name; their sum is minimised.

        Args:
            batch: The training batch.

        Returns:
            Scalars.
        """
        raise NotImplementedError

    def recommendation_loss(self, hidden: Tensor, target: Tensor, batch: Batch | None = None) -> Tensor:
        """Next-item prediction with the loss that the setting ``recommendation_loss`` names.

        Args:
            hidden: Sequence representations. Shape [T, D].
            target: Next items. Shape [T].
            batch: The batch whose ``supervised_target`` is ``target``; needed only for ``exclude_row_items`` and
                ``history_penalty``.

        Returns:
            Mean over the T targets.

        Raises:
            UsageError: If these settings need the batch, and the method does not pass it.
        """
        if self.history_penalty is None:
            return self._recommendation(hidden, self.item_table, target, batch)
        if batch is None:
            name = type(self).__name__
            raise UsageError(
                f"history_penalty = True: {name} does not pass its batch to recommendation_loss; set it to False"
            )
        lowered = self.history_penalty.histories(batch, len(target)), self.history_penalty(hidden)
        return self._recommendation(hidden, self.item_table, target, batch, *lowered)

    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """The loss terms of a RecBole batch, by name."""
        return self.losses(self._read(interaction))

    def calculate_loss(self, interaction: Interaction) -> tuple[Tensor, ...]:
        """The loss terms of a RecBole batch, which RecBole's trainer sums."""
        return tuple(self.named_losses(interaction).values())

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Representation of each row: the encoder's output at its last position, [B, L] and [B] -> [B, D]."""
        return self.encode(Rows(item_seq, item_seq_len))[0]

    def score_items(self, hidden: Tensor, first: int, last: int) -> Tensor:
        """Products of the items first..last-1 with representations [B, D], as [B, last - first]."""
        return hidden @ self.item_table[first:last].T

    def score_rows(self, hidden: Tensor, item_seq: Tensor, first: int, last: int) -> Tensor:
        """Scores of the items first..last-1 for rows [B, L] with representations [B, D], as [B, last - first]."""
        scores = self.score_items(hidden, first, last)
        return scores if self.history_penalty is None else self.history_penalty.lower(scores, hidden, item_seq, first)

    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        """Encodes the rows once, without columns that are empty in all rows, and scores blocks of items."""
        item_seq = item_seq[:, : int(seq_len.max())]
        hidden = self.forward(item_seq, seq_len)  # [B, D]
        return lambda rows, items: self.score_rows(hidden[rows], item_seq[rows], items.start, items.stop)

    def predict(self, interaction: Interaction) -> Tensor:
        """Score of each row's own item, [B]."""
        item_seq, item = interaction[self.ITEM_SEQ], interaction[self.ITEM_ID]
        hidden = self.forward(item_seq, interaction[self.ITEM_SEQ_LEN])
        scores = (hidden * self.item_embedding(item)).sum(-1)
        if self.history_penalty is None:
            return scores
        return scores - self.history_penalty(hidden) * (item_seq == item.unsqueeze(1)).any(dim=1)

    def full_sort_predict(self, interaction: Interaction) -> Tensor:
        """Scores of all items, [B, N]; both RecBole's and our evaluation exclude the padding item from the ranking."""
        item_seq = interaction[self.ITEM_SEQ]
        hidden = self.forward(item_seq, interaction[self.ITEM_SEQ_LEN])
        return self.score_rows(hidden, item_seq, 0, self.n_items)

    def initialise(self, module: nn.Module) -> None:
        """Normal weights and embeddings (padding row included) and zero biases, as in all authors' code.

        With ``initializer: xavier`` the standard deviation is Glorot's, with the item table treated as one matrix.
        Recurrent weights are uniform, after Glorot, as in RecBole's GRU4Rec.

        The numbers are drawn on the host, so that a run starts from the same weights on every device. A method that
        adds modules after the base's constructor must call this for them.
        """
        if isinstance(module, nn.Linear | nn.Embedding):
            std = self.options.initializer_range
            if self.options.initializer == "xavier":
                std = math.sqrt(2 / sum(module.weight.shape))
            module.weight.data.normal_(0, std, generator=self._init_generator)
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.data.zero_()
        if isinstance(module, nn.GRU):
            for weight in module.parameters():
                nn.init.xavier_uniform_(weight.data, generator=self._init_generator)
        if isinstance(module, SequenceEncoder):
            module.draw_weights(self._init_generator)
