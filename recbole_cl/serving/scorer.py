"""A trained encoder and its item vectors, independent of datasets and RecBole: the content of a package.

Letters: B rows, L columns, N items (padding row 0 included), D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.layer_drop import LayerDropEncoder
from recbole_cl.encoder.packing import pack, padded
from recbole_cl.encoder.registry import ENCODERS, EncoderSettings
from recbole_cl.errors import UsageError


@dataclass(frozen=True)
class ScorerSettings:
    """Settings that a scorer is built from.

    Attributes:
        encoder: Name in the table of encoders, or a dotted path.
        sizes: Its sizes, under the names of ``EncoderSettings``.
        n_items: N.
        last_position: Position of a row's newest item; None if positions are counted from the oldest.
        extra_layer_kind: Kind of the layers after the encoder (SRMA); None if there are none.
        extra_layers: Their number.
    """

    encoder: str
    sizes: dict[str, Any]
    n_items: int
    last_position: int | None
    extra_layer_kind: str | None = None
    extra_layers: int = 0


class SequenceScorer(nn.Module):
    """Scores all items to follow rows of items, with the same scores as the original model.

    Args:
        settings: Settings to build it from.
    """

    def __init__(self, settings: ScorerSettings) -> None:
        super().__init__()
        sizes = EncoderSettings(**settings.sizes)
        self.settings, self.width = settings, sizes.max_seq_length
        self.item_embedding = nn.Embedding(settings.n_items, sizes.hidden_size, padding_idx=0)
        encoder = ENCODERS.resolve(settings.encoder)
        self.encodes_padding = encoder.abilities.encodes_padding
        self.encoder: nn.Module = encoder(sizes)
        if settings.extra_layer_kind is not None:
            self.encoder = LayerDropEncoder(self.encoder, settings.extra_layer_kind, settings.extra_layers, sizes)

    def forward(self, item_seq: Tensor, seq_len: Tensor) -> Tensor:
        """The representation of each row.

        Args:
            item_seq: Item ids, oldest first, 0 after the end of the row. Shape [B, L].
            seq_len: Lengths, 1..L. Shape [B].

        Returns:
            Outputs at the last items, [B, D].
        """
        rows, last = Rows(item_seq, seq_len), self.settings.last_position
        if self.encodes_padding:
            rows = padded(rows, self.width)
        packing = pack([rows], group_by_length=False, last_position=last, padding_first=self.encodes_padding)
        tokens = self.item_embedding(rows.item_seq.flatten().index_select(0, packing.token_index))
        output: Tensor = self.encoder(tokens, packing)
        return output.index_select(0, packing.outputs[0])

    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Any:
        """Encodes rows, and returns a function that scores a block of items for some of them; users are ignored."""
        hidden = self(item_seq[:, : int(seq_len.max())], seq_len)
        return lambda rows, items: hidden[rows] @ self.item_embedding.weight[items].T


def scorer_of(model: Any) -> SequenceScorer:
    """Extracts encoder and item vectors from a trained model of ours.

    Args:
        model: In eval mode.

    Returns:
        A scorer with copies of the weights, on the CPU, that gives the model's scores.

    Raises:
        UsageError: If the model's scores are not products of its encoder's output with item vectors.
    """
    from recbole_cl.model.base import EncoderRecommender

    name = type(model).__name__
    if not isinstance(model, EncoderRecommender):
        raise UsageError(f"{name} is RecBole's own model: only ours can be exported")
    plain = ("forward", "score_items", "score_rows", "scorer", "packed")
    if (
        any(getattr(type(model), part) is not getattr(EncoderRecommender, part) for part in plain)
        or model.history_penalty is not None
    ):
        raise UsageError(f"{name} scores by more than an encoder and item vectors: export it with --format onnx")
    encoder, kind, layers, options = model.encoder, None, 0, cast(Any, model.options)
    if isinstance(encoder, LayerDropEncoder):
        if options.extra_layers_at_inference:
            kind, layers = options.extra_layer_kind, len(encoder.layers)
        else:
            encoder = encoder.trunk
    sizes = model.encoder_settings._asdict()
    settings = ScorerSettings(model.options.encoder, sizes, model.n_items, model._last_position, kind, layers)
    scorer = SequenceScorer(settings).eval()
    scorer.encoder.load_state_dict(encoder.state_dict())
    scorer.item_embedding.weight.data.copy_(model.item_table.detach())
    with on_cpu(model):
        _refuse_other_scores(scorer, model)
    return scorer


@contextmanager
def on_cpu(model: Any) -> Iterator[None]:
    """Moves a model to the CPU within the block, for exports: a GPU has other kernels, and rounds otherwise."""
    model.cpu()
    try:
        yield
    finally:
        model.to(model.device)


@torch.no_grad()
def _refuse_other_scores(scorer: SequenceScorer, model: Any) -> None:
    """Refuses a model whose representations depend on more than the extracted parts, by checking an example."""
    item_seq, seq_len = empty_rows(scorer.width)
    item_seq[1, : scorer.width] = torch.arange(scorer.width) % (scorer.settings.n_items - 1) + 1
    seq_len[1] = scorer.width
    if not torch.allclose(scorer(item_seq, seq_len), model(item_seq, seq_len), rtol=1e-4, atol=1e-5):
        raise UsageError(f"{type(model).__name__}, as it is set, can't be packed: export it with --format onnx")


def empty_rows(width: int) -> tuple[Tensor, Tensor]:
    """Two rows of one item each, [2, L] and [2]: an example input of a scorer."""
    item_seq = torch.zeros(2, width, dtype=torch.long)
    item_seq[:, 0] = 1
    return item_seq, torch.ones(2, dtype=torch.long)
