"""Gives RecBole's sequential and general models the interface of our models.

Letters: B rows, N items (padding row 0 included).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import torch
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import GeneralRecommender
from torch import Tensor

from recbole_cl.model.beside_weights import plain_state, put_back
from recbole_cl.model.interface import Scorer, TrainableModel

_PAIRS = 1 << 16  # (row, item) pairs scored together, for models that score only pairs


class RecBoleModel(TrainableModel):
    """Mixed into a RecBole model: one loss or a tuple, one stage, scores of all items at once.

    Attributes:
        prepare: What RecBole's loader does to rows before the model sees them, also in evaluation; set by the builder.
    """

    encodes_rows: ClassVar[bool] = False
    generator: torch.Generator | None = None
    USER_ID: str
    ITEM_ID: str
    ITEM_SEQ: str
    ITEM_SEQ_LEN: str
    prepare: Callable[[Interaction], Interaction] = staticmethod(lambda rows: rows)
    calculate_loss: Any
    full_sort_predict: Any
    predict: Any

    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """``loss``, or ``loss0``, ``loss1`` and so on if the model returns several."""
        losses = self.calculate_loss(interaction)
        parts = losses if isinstance(losses, tuple) else (losses,)
        return {f"loss{i}" if len(parts) > 1 else "loss": part.sum() for i, part in enumerate(parts)}  # GCSAN's is [1]

    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        """Scores all items at once, from rows of full width; a general model scores for the users.

        Some models (Caser, HGN) fail on narrower rows. Others (NextItNet, NPE) read padding, so that their scores would
        depend on the batch. A few (NeuMF, DIN) can only score pairs.
        """
        rows = self.prepare(Interaction(self._fields(item_seq, seq_len, user)))
        try:
            scores: Tensor = self.full_sort_predict(rows).view(len(item_seq), -1)  # [B, N]
        except NotImplementedError:
            return lambda part, items: self._of_pairs(rows, part, items)
        return lambda part, items: scores[part, items].clone()

    def _fields(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> dict[str, Tensor]:
        anything = torch.ones_like(seq_len)  # SASRecCPR and GRU4RecCPR compute a loss during scoring
        return {self.ITEM_SEQ: item_seq, self.ITEM_SEQ_LEN: seq_len, self.USER_ID: user, self.ITEM_ID: anything}

    def _of_pairs(self, rows: Interaction, part: slice, items: slice) -> Tensor:
        """Scores of some rows and items, pair by pair."""
        index = torch.arange(len(rows), device=self.device)[part]
        item = torch.arange(items.start, items.stop, device=self.device)
        scores = []
        places = sum(it[0].numel() for it in rows.interaction.values())
        for some in index.split(max(_PAIRS // (len(item) * places), 1)):
            pairs = Interaction({key: it[some].repeat_interleave(len(item), 0) for key, it in rows.interaction.items()})
            pairs.update(Interaction({self.ITEM_ID: item.repeat(len(some))}))
            scores.append(self.predict(pairs).view(len(some), -1))
        return torch.cat(scores)


class GeneralModel(RecBoleModel):
    """Mixed into a general RecBole model, which knows users but no sequences."""

    def _fields(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> dict[str, Tensor]:
        return {self.USER_ID: user}


class DIENModel(RecBoleModel):
    """Mixed into DIEN, which requires negatives for each row during scoring, but does not use them there."""

    NEG_ITEM_SEQ: str

    def _fields(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> dict[str, Tensor]:
        return super()._fields(item_seq, seq_len, user) | {self.NEG_ITEM_SEQ: item_seq}


@cache
def adapted(model_class: type) -> type:
    """The class to build: the given one, if it has our interface; otherwise a subclass that has it.

    The subclass and its weights keep the names of the given class, for checkpoints and messages.

    Args:
        model_class: A sequential model of ours, a RecBole model, or any other model built by ``(config, dataset)``.

    Returns:
        A ``TrainableModel``.
    """
    if issubclass(model_class, TrainableModel):
        return model_class
    names = {key: getattr(model_class, key) for key in ("__module__", "__qualname__", "__doc__")}
    kind: type = GeneralModel if issubclass(model_class, GeneralRecommender) else RecBoleModel
    if any(cls.__module__ == "recbole.model.sequential_recommender.dien" for cls in model_class.__mro__):
        kind = DIENModel
    theirs: Any = model_class
    kept = {
        "other_parameter": lambda self: plain_state(self, theirs.other_parameter(self)),
        "load_other_parameter": lambda self, state: put_back(self, state),
    }
    return type(model_class.__name__, (model_class, kind), names | kept)
