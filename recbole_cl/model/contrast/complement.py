"""Encoder complementing: a second, frozen encoder takes part in the comparison of views.

Letters: B rows, P numbers of a row's representation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.contrast.pairs import PairLoss, ViewPair


class Complement:
    r"""Wraps a contrastive loss of two views, so that a trained encoder takes part in it.

    With :math:`z_a` and :math:`z_b` the two views and :math:`f` the frozen encoder, the contrastive term is

    * ``add``: :math:`NCE(z_a, z_b + \gamma f(x_b))`, where :math:`x_b` is the input of :math:`z_b`;
    * ``loss``: :math:`NCE(z_a, z_b) + \gamma\, (NCE(z_a, f(x)) + NCE(z_b, f(x)))`, where :math:`x` is the unchanged
        row.

    Recommendation does not use it, neither in training nor afterwards.

    Reference:
        Liu, Chen, Li, Luo, Yu and Xiong, "Improving Contrastive Learning with Model Augmentation" (SRMA), 2022,
        section 4.3.

    Args:
        encoder: The frozen encoder.
        form: ``add`` or ``loss``.
        weight: :math:`\gamma`, > 0; 0.005 to 1.0 in the paper.

    Attributes:
        used: Whether any loss has been wrapped yet.

    Note:
        ``add`` is the paper's form, ``loss`` the authors' code, in which the frozen encoder's dropout stays on. Here it
        is in eval mode in both forms.
    """

    def __init__(self, encoder: FrozenEncoder, form: str, weight: float) -> None:
        self._encoder, self._form, self._weight = encoder, form, weight
        self.used = False

    def __call__(self, loss: PairLoss, pair: ViewPair) -> Tensor:
        """The complemented loss of a pair of views, a scalar."""
        self.used = True
        if self._form == "add":
            rows = self._encoder.readable(pair.rows_b)
            return loss(pair.z_a, pair.z_b + self._weight * pair.represent(self._encoder(rows), rows))
        frozen = pair.represent(self._encoder(pair.whole), pair.whole)
        return loss(pair.z_a, pair.z_b) + self._weight * (loss(pair.z_a, frozen) + loss(pair.z_b, frozen))


class FrozenEncoder:
    """The representations of a trained model: always in eval mode, without gradients, and not in checkpoints.

    It is not a module, so that the model that contains it neither trains it nor switches it to training mode.

    Args:
        model: It is frozen permanently.
        may_mask: Whether rows may contain a mask token. A model without mask token reads it as padding, which is
            ignored.
    """

    def __init__(self, model: EncoderRecommender, may_mask: bool) -> None:
        self.model = model.eval().requires_grad_(False)
        self._unknown_mask = may_mask and not model.has_mask_token

    def readable(self, rows: Rows) -> Rows:
        """Replaces a mask token that the model does not know by padding."""
        if not self._unknown_mask:
            return rows
        without = rows.item_seq.masked_fill(rows.item_seq == self.model.mask_id, 0)
        return rows._replace(item_seq=without, holes=True)

    @torch.no_grad()
    def __call__(self, rows: Rows) -> Tensor:
        """Outputs at the positions that readable rows ask for, as ``encode`` returns them."""
        return self.model.encode(rows)[0]


def refuse_misfit(setting: str, its: EncoderRecommender, ours: EncoderRecommender, compares_padding: bool) -> None:
    """Refuses a trained model that cannot complement another one.

    Args:
        setting: Value of ``complement``, for the message.
        its: The trained model.
        ours: The model that is to be trained.
        compares_padding: Whether outputs at padding are compared.

    Raises:
        UsageError: If the size of its representations, its items or its maximum length differ, or its positions are
            counted from another end than those of compared padding.
    """
    pairs = {
        "hidden_size": (its.options.hidden_size, ours.options.hidden_size),
        "number of items": (its.n_items - 1, ours.n_items - 1),
        "MAX_ITEM_LIST_LENGTH": (its.max_seq_length, ours.max_seq_length),
    }
    for name, (theirs, here) in pairs.items():
        if theirs != here:
            raise UsageError(f"complement = {setting}: its {name} is {theirs}, here it is {here}; train one like this")
    oldest_first = its.abilities.counts_positions and not its.options.right_aligned
    if oldest_first and compares_padding:
        raise UsageError(
            f"complement = {setting}: it counts positions from the oldest item, and outputs that are compared with "
            "padding count from the newest; train one with right_aligned = True, or leave padding out (pooling, "
            "count_padding_states, count_padding_targets)"
        )
