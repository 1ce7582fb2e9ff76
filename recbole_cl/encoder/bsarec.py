"""BSARec's encoder: Transformer blocks that combine attention with a filter over the whole row.

Letters: T packed items, W wanted outputs, D hidden size, n rows of a group, L columns.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Group, Packing
from recbole_cl.encoder.registry import Abilities, EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder, TransformerLayer


class BSARecEncoder(TransformerEncoder):
    r"""Blocks that mix attention :math:`A` with a filter :math:`F` that scales a row's high frequencies.

    .. math:: \tilde X = \alpha F(X) + (1 - \alpha) A(X), \qquad
        F(X) = LN(X + drop(LFC(X) + \beta^2 \odot (X - LFC(X))))

    where :math:`LFC` keeps the lowest :math:`\lfloor c / 2 \rfloor + 1` frequencies of each feature over the columns.

    The filter reads all columns. These include later items, so that in the sequence form it would see its own targets.
        They also include padding, which is encoded like items and fills each row, in front of its items, to the longest
        length that the settings allow.

    Reference:
        Shin, Choi, Wi and Park, "An Attentive Inductive Bias for Sequential Recommendation beyond the Self-Attention",
        AAAI 2024.

    Args:
        settings: Sizes and probabilities; ``filter_share`` is alpha, ``filter_cutoff`` c.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.

    Note:
        The filter is a product with a constant matrix [L, L] instead of a transform and its inverse. All blocks begin
        with the same random beta, as in the authors' code.
    """

    abilities: ClassVar = Abilities(
        counts_positions=False, needs_heads=True, can_be_compiled=False, is_causal=False, encodes_padding=True
    )

    def _layer(self, settings: EncoderSettings, generator: torch.Generator | None) -> TransformerLayer:
        return BSARecLayer(settings, generator)

    def draw_weights(self, generator: torch.Generator) -> None:
        """Draws beta: one standard normal number per feature, the same in all blocks."""
        weights = [layer.high_weight for layer in self.layers if isinstance(layer, BSARecLayer)]
        drawn = torch.randn(weights[0].shape, generator=generator)
        for weight in weights:
            weight.data.copy_(drawn)


class BSARecLayer(TransformerLayer):
    """A Transformer block whose attention part is mixed with a filter before the feed-forward part."""

    low_pass: Tensor

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__(settings, generator)
        self.share = settings.filter_share
        self.high_weight = nn.Parameter(torch.ones(settings.hidden_size))  # beta
        self.filter_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.filter_dropout = Dropout(settings.hidden_dropout_prob, generator)
        low_pass = low_pass_matrix(settings.max_seq_length, settings.filter_cutoff)
        self.register_buffer("low_pass", low_pass, persistent=False)

    def forward(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Runs the block on [T, D]; returns [W, D] if ``only_wanted`` and [T, D] otherwise."""
        only_wanted = only_wanted and packing.wanted is not None
        attended = self.attend(hidden, packing, only_wanted)
        low = self._low(hidden, packing, only_wanted)
        if only_wanted and packing.wanted is not None:
            hidden = hidden.index_select(0, packing.wanted)
        filtered = low + self.high_weight.square() * (hidden - low)
        filtered = self.filter_norm(hidden + self.filter_dropout(filtered))
        return self.feed_forward(torch.lerp(attended, filtered, self.share))

    def _low(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """The low frequencies of every row, [W, D] or [T, D]."""
        parts = hidden.split([group.n_tokens for group in packing.groups])
        pairs = zip(parts, packing.groups, strict=True)
        return torch.cat([self._low_of(part, group, only_wanted and not group.every_position) for part, group in pairs])

    def _low_of(self, hidden: Tensor, group: Group, only_last: bool) -> Tensor:
        if group.width != len(self.low_pass) or group.slots is not None:
            raise ValueError(f"rows of {len(self.low_pass)} columns, padding included, are needed; got {group.width}")
        rows = hidden.view(group.n_rows, group.width, -1)
        matrix = self.low_pass[-1:] if only_last else self.low_pass
        return (matrix @ rows).reshape(-1, hidden.shape[-1])


def low_pass_matrix(width: int, cutoff: int) -> Tensor:
    """The matrix that keeps the low frequencies of a signal.

    Args:
        width: L, length of the signal.
        cutoff: c, at least 1; 2 and 3 keep the same, and L or more keeps all.

    Returns:
        Symmetric projection, [L, L].
    """
    spectrum = torch.fft.rfft(torch.eye(width, dtype=torch.float64), dim=0)
    spectrum[cutoff // 2 + 1 :] = 0
    return torch.fft.irfft(spectrum, n=width, dim=0).float()
