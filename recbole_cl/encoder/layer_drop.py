"""Extra layers after an encoder, some of which are dropped at random: model augmentation in depth.

Letters: T packed items, W wanted outputs, S passes, K extra layers, M dropped ones, D hidden size.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Packing
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerLayer

LAYER_KINDS = ("single", "inter", "transformer")


class LayerDropEncoder(nn.Module):
    """An encoder followed by K layers; every packed item passes through the layers that are kept for it.

    Reference:
        Liu, Chen, Li, Luo, Yu and Xiong, "Improving Contrastive Learning with Model Augmentation" (SRMA), 2022,
        section 4.2.

    Args:
        trunk: The encoder that comes first: maps packed item vectors and a packing to the wanted outputs.
        kind: ``single``: linear, GELU, dropout, residual, layer norm; ``inter``: a feed-forward block with an inner
            width; ``transformer``: a whole block, attention included.
        n_layers: K, at least 0; 2 in the paper's best runs, of 1 to 4.
        settings: Sizes and probabilities of the layers.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If the kind is unknown.

    Note:
        A dropped layer is computed, but its result is not used. So one pass serves views with different layers, and the
        host never has to ask the device what was drawn.
    """

    def __init__(
        self,
        trunk: nn.Module,
        kind: str,
        n_layers: int,
        settings: EncoderSettings,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if kind not in LAYER_KINDS:
            raise ValueError(f"kind {kind!r} is unknown: use one of {', '.join(LAYER_KINDS)}")
        self.trunk = trunk
        self.attends = kind == "transformer" and n_layers > 0
        self.layers = nn.ModuleList(_build(kind, settings, generator) for _ in range(n_layers))

    def forward(self, tokens: Tensor, packing: Packing, kept: Tensor | None = None) -> Tensor:
        """Encodes packed item vectors.

        Args:
            tokens: Item vectors in packed order. Shape [T, D].
            packing: The layout of the rows.
            kept: True where an item passes through a layer. Shape [T, K]; None for all.

        Returns:
            Outputs at the wanted positions, in packed order. Shape [W, D].
        """
        wanted = packing.wanted
        if self.attends:  # the extra blocks attend to all positions of the trunk's output
            packing = replace(packing, wanted=None)
        elif kept is not None and wanted is not None:
            kept = kept.index_select(0, wanted)
        hidden = self.trunk(tokens, packing)
        for i, layer in enumerate(self.layers):
            output = layer(hidden, packing, only_wanted=False) if self.attends else layer(hidden)
            hidden = output if kept is None else torch.where(kept[:, i : i + 1], output, hidden)
        return hidden.index_select(0, wanted) if self.attends and wanted is not None else hidden


class SingleLayer(nn.Module):
    """One linear layer with GELU, dropout, residual and layer norm."""

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        self.linear = nn.Linear(settings.hidden_size, settings.hidden_size)
        self.output_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.output_dropout = Dropout(settings.hidden_dropout_prob, generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps [..., D] to [..., D]."""
        return self.output_norm(hidden + self.output_dropout(functional.gelu(self.linear(hidden))))


class FeedForwardLayer(nn.Module):
    """The feed-forward part of a Transformer block: D to the inner width and back, GELU between."""

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        self.inner = nn.Linear(settings.hidden_size, settings.inner_size)
        self.outer = nn.Linear(settings.inner_size, settings.hidden_size)
        self.output_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.output_dropout = Dropout(settings.hidden_dropout_prob, generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps [..., D] to [..., D]."""
        inner = functional.gelu(self.inner(hidden))
        return self.output_norm(hidden + self.output_dropout(self.outer(inner)))


def draw_kept(n_passes: int, n_layers: int, n_dropped: int, generator: torch.Generator) -> Tensor:
    """Draws which layers each pass keeps; all choices of M dropped layers are equally likely.

    Args:
        n_passes: S, the number of independent draws.
        n_layers: K.
        n_dropped: M, fewer than K, or 0.
        generator: Source of the draws, on the device of the result.

    Returns:
        True where a pass keeps a layer. Shape [S, K].
    """
    keys = torch.rand(n_passes, n_layers, generator=generator, device=generator.device)
    return keys.argsort(dim=1) >= n_dropped  # each row of the sorting order is a random permutation


def _build(kind: str, settings: EncoderSettings, generator: torch.Generator | None) -> nn.Module:
    layers = {"transformer": TransformerLayer, "single": SingleLayer}
    return layers.get(kind, FeedForwardLayer)(settings, generator)
