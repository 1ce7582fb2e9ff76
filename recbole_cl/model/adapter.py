"""RecBole's sequential models under the interface of ours.

Letters: B rows, N items (padding row 0 included).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.data.hooks import HookFactory
from recbole_cl.model.interface import Scorer, TrainableModel


class RecBoleModel(TrainableModel):
    """Mixed into a sequential model of RecBole's: one loss or a tuple, one stage, scores of all items at once."""

    encodes_rows: ClassVar[bool] = False
    generator: torch.Generator | None = None
    batch_hooks: Mapping[str, HookFactory] = {}
    pretraining = has_next_stage = False
    USER_ID: str
    ITEM_SEQ: str
    ITEM_SEQ_LEN: str
    calculate_loss: Any
    full_sort_predict: Any

    def start_next_stage(self) -> None:
        """Has none."""
        raise NotImplementedError

    def start_epoch(self, epoch: int) -> None:
        """Does nothing: every epoch is like the others."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Records nothing."""
        return {}

    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """``loss``, or ``loss0``, ``loss1`` and so on where the model gives several."""
        losses = self.calculate_loss(interaction)
        parts = losses if isinstance(losses, tuple) else (losses,)
        return {f"loss{i}" if len(parts) > 1 else "loss": part.sum() for i, part in enumerate(parts)}  # GCSAN's is [1]

    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        """Scores all items at once, from rows of full width.

        Some models (Caser, HGN) fail on narrower rows, and some (NextItNet, NPE) read padding, so that their scores
        would depend on the batch.
        """
        fields = {self.ITEM_SEQ: item_seq, self.ITEM_SEQ_LEN: seq_len, self.USER_ID: user}
        scores: Tensor = self.full_sort_predict(Interaction(fields)).view(len(item_seq), -1)  # [B, N]
        return lambda rows, items: scores[rows, items].clone()


@cache
def adapted(model_class: type) -> type:
    """The class to build: the given one, if it has our interface, and else a subclass that has.

    The subclass bears the same name, and its weights do too, so that checkpoints and messages are those of the class.

    Args:
        model_class: A sequential model of ours, RecBole's or anybody's, built by ``(config, dataset)``.

    Returns:
        A ``TrainableModel``.
    """
    if issubclass(model_class, TrainableModel):
        return model_class
    names = {key: getattr(model_class, key) for key in ("__module__", "__qualname__", "__doc__")}
    return type(model_class.__name__, (model_class, RecBoleModel), names)
