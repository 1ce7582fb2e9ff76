"""Encoders by name, and the abilities that an encoder declares.

An encoder is a module in a file of its own: it extends ``SequenceEncoder`` and declares its abilities. The setting
``encoder`` accepts its name from the table below, or the dotted path of any importable encoder. Every method whose
needs the encoder meets accepts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from recbole_cl.encoder.packing import Packing
from recbole_cl.registry import Registry


class EncoderSettings(NamedTuple):
    """Sizes and probabilities that encoders are built from; each encoder uses what it needs.

    Attributes:
        n_layers: Number of blocks or recurrent layers, at least 1; typically 2.
        n_heads: Number of attention heads; divides ``hidden_size``.
        hidden_size: D, size of items and outputs.
        inner_size: Width of the feed-forward part; typically 4 D.
        hidden_dropout_prob: Dropout of embeddings, attention outputs and feed-forward outputs, in [0, 1).
        attn_dropout_prob: Dropout of attention weights, in [0, 1).
        layer_norm_eps: Added to the variance; 1e-12 in all authors' code.
        max_seq_length: Maximum number of items of a row, and so the number of positions.
        scale_items: Whether item vectors are multiplied by the root of ``hidden_size`` before positions are added.
        attend_padding: Whether attention includes positions that a row leaves empty, as zero vectors.
        filter_share: Weight of the frequency branch in BSARec's blocks, in [0, 1].
        filter_cutoff: Number of real numbers that describe the low frequencies, at least 1.
    """

    n_layers: int
    n_heads: int
    hidden_size: int
    inner_size: int
    hidden_dropout_prob: float
    attn_dropout_prob: float
    layer_norm_eps: float
    max_seq_length: int
    scale_items: bool = False
    attend_padding: bool = False
    filter_share: float = 0.7
    filter_cutoff: int = 5

    @property
    def item_scale(self) -> float:
        """The factor for item vectors."""
        return math.sqrt(self.hidden_size) if self.scale_items else 1.0


@dataclass(frozen=True)
class Abilities:
    """What an encoder can do, and what it needs.

    Attributes:
        counts_positions: Whether outputs depend on the positions that a packing gives, so that it matters from which
            end they are counted.
        needs_heads: Whether it attends with ``n_heads`` heads, which must divide ``hidden_size``; methods that need
            attention accept only such encoders.
        can_be_compiled: Whether ``compile_encoder`` may compile it.
        is_causal: Whether no output depends on a later item of its row; the sequence form trains only such encoders.
        encodes_padding: Whether outputs depend on the padding of a row, so that rows must be packed with their padding.
    """

    counts_positions: bool
    needs_heads: bool
    can_be_compiled: bool
    is_causal: bool
    encodes_padding: bool = False


class SequenceEncoder(nn.Module):
    """Base of all encoders: maps packed item vectors to outputs at the wanted positions.

    Args:
        settings: Sizes and probabilities.
        generator: Source of dropout masks on the CPU; None for torch's default generator.
    """

    abilities: ClassVar[Abilities]

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None = None) -> None:
        super().__init__()

    def draw_weights(self, generator: torch.Generator) -> None:
        """Draws the initial values of weights that are neither embeddings nor layers of torch; none by default.

        Args:
            generator: Source of randomness, on the host.
        """

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        """Encodes packed item vectors.

        Args:
            tokens: Item vectors in packed order. Shape [T, D].
            packing: The layout of the rows, and where outputs are wanted.

        Returns:
            Outputs at the wanted positions, in packed order. Shape [W, D].
        """
        raise NotImplementedError


ENCODERS: Registry[type[SequenceEncoder]] = Registry(
    "encoder",
    {
        "transformer": "recbole_cl.encoder.transformer.TransformerEncoder",
        "query_norm": "recbole_cl.encoder.query_norm.QueryNormEncoder",
        "ligr": "recbole_cl.encoder.ligr.LiGREncoder",
        "bsarec": "recbole_cl.encoder.bsarec.BSARecEncoder",
        "gru": "recbole_cl.encoder.gru.GRUEncoder",
    },
)
