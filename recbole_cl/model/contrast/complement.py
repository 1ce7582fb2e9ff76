"""Encoder complementing: a second, frozen encoder takes part in the comparison of views, for any contrastive method.

Letters: B rows, P numbers of a row's representation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbole_cl.augmentation import View
from recbole_cl.config.checks import AnyOf, Check, Choice, Integer, Number, Text
from recbole_cl.encoder.packing import Rows
from recbole_cl.errors import UsageError
from recbole_cl.model.base import ENCODERS, ContrastiveRecommender
from recbole_cl.model.contrast.pooling import pool, rows_to_pool


class ComplementedRecommender(ContrastiveRecommender):
    r"""A method whose views a pre-trained encoder may complement; it compares them through ``contrast_views``.

    With :math:`z_a` and :math:`z_b` the two views and :math:`f` the frozen encoder, the contrastive term is

    * ``add``: :math:`NCE(z_a, z_b + \gamma f(x_b))`, where :math:`x_b` is what :math:`z_b` encodes;
    * ``loss``: :math:`NCE(z_a, z_b) + \gamma\, (NCE(z_a, f(x)) + NCE(z_b, f(x)))`, where :math:`x` is the row as it is.

    Recommendation, in training and afterwards, knows nothing of it.

    Reference:
        Liu, Chen, Li, Luo, Yu and Xiong, "Improving Contrastive Learning with Model Augmentation" (SRMA), 2022,
        section 4.3.

    Note:
        ``add`` is the paper, ``loss`` the authors' code, in which the frozen encoder's dropout stays on; here it is in
        eval mode under both.
    """

    settings: ClassVar[Mapping[str, Check]] = {
        "complement": AnyOf(Choice("none", *ENCODERS), Text()),
        "complement_form": Choice("add", "loss"),
        "complement_weight": Number(low=0, open_low=True),
        "complement_epochs": Integer(low=1),
    }

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._complement: FrozenEncoder | None = None
        complement = self.options["complement"]
        if complement != "none" and not self.compares_views:
            raise UsageError(
                f"complement = {complement}: nothing compares with it while the contrastive term has a weight of 0; "
                "set it to none or raise that weight"
            )

    @property
    def compares_views(self) -> bool:
        """Whether the weights leave a contrastive term."""
        return bool(self.options["contrastive_weight"])

    def complement_with(self, model: ContrastiveRecommender) -> None:
        """Takes a trained model as the complementary encoder; our runs do so before they train.

        Args:
            model: On the same device, trained on the same items.

        Raises:
            UsageError: If its representations, its items or its rows are not as many as this model's, or its positions
                are counted from another end than the pooling's.
        """
        pairs = {
            "hidden_size": (model.options["hidden_size"], self.options["hidden_size"]),
            "number of items": (model.n_items - 1, self.n_items - 1),
            "MAX_ITEM_LIST_LENGTH": (model.max_seq_length, self.max_seq_length),
        }
        setting = self.options["complement"]
        for name, (its, ours) in pairs.items():
            if its != ours:
                raise UsageError(f"complement = {setting}: its {name} is {its}, here it is {ours}; train one like this")
        oldest_first = model.options["encoder"] == "transformer" and not model.options["right_aligned"]
        if oldest_first and self.options.get("pooling") == "concat":
            raise UsageError(
                f"complement = {setting}: it counts positions from the oldest item, pooling = concat from the newest; "
                "train one with right_aligned = True, or choose another pooling"
            )
        self._complement = FrozenEncoder(model, may_mask=self.has_mask_token)

    def contrast_views(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        z_a: Tensor,
        z_b: Tensor,
        rows_b: Rows,
        whole: Rows,
        represent: Callable[[Tensor, Rows], Tensor] = lambda hidden, _: hidden,
    ) -> Tensor:
        """Compares two views, one of them complemented if the settings say so.

        Args:
            loss: Contrastive loss of two views.
            z_a: First view. Shape [B, P].
            z_b: Second view. Shape [B, P].
            rows_b: What ``z_b`` encodes.
            whole: The rows that both views were made from; outputs are wanted as in ``rows_b``.
            represent: How outputs for rows become representations, here as in the views; as they are by default.

        Returns:
            Scalar, without the weight of the contrastive term.

        Raises:
            UsageError: If a complementary encoder is asked for and nobody has given one.
        """
        if self.options["complement"] == "none":
            return loss(z_a, z_b)
        if self._complement is None:
            raise UsageError(
                f"complement = {self.options['complement']}: no encoder was pre-trained, which our own run does first; "
                "hand one over with complement_with(), or set complement to none"
            )
        weight = self.options["complement_weight"]
        if self.options["complement_form"] == "add":
            rows_b = self._complement.readable(rows_b)
            return loss(z_a, z_b + weight * represent(self._complement(rows_b), rows_b))
        frozen = represent(self._complement(whole), whole)
        return loss(z_a, z_b) + weight * (loss(z_a, frozen) + loss(z_b, frozen))

    def contrast_pooled(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        anchors: Rows,
        views: Sequence[Rows],
        encoded: Sequence[Tensor],
        pooling: str,
    ) -> Tensor:
        """Compares two views as ``contrast_views`` does, of outputs that are still to be pooled.

        Args:
            loss: Contrastive loss of two views.
            anchors: The rows that both views were made from.
            views: The two views, as ``rows_to_pool`` gives them.
            encoded: The encoder's outputs for each.
            pooling: How outputs become the vector of a row.

        Returns:
            Scalar, without the weight of the contrastive term.
        """
        z_a, z_b = (pool(*pair, pooling) for pair in zip(encoded, views, strict=True))
        whole = rows_to_pool(View(anchors.item_seq, anchors.seq_len), pooling)
        return self.contrast_views(loss, z_a, z_b, views[1], whole, partial(pool, pooling=pooling))


class FrozenEncoder:
    """The representations of a trained model: always in eval mode, without gradients, and in no checkpoint.

    It is no module, so that the model that holds it neither trains it nor switches it to training mode.

    Args:
        model: Is frozen for good.
        may_mask: Whether rows may hold a mask token. To a model that has none it is padding, which nothing looks at.
    """

    def __init__(self, model: ContrastiveRecommender, may_mask: bool) -> None:
        self.model = model.eval().requires_grad_(False)
        self._unknown_mask = may_mask and not model.has_mask_token

    def readable(self, rows: Rows) -> Rows:
        """The rows with padding for a mask token that the model does not know."""
        if not self._unknown_mask:
            return rows
        without = rows.item_seq.masked_fill(rows.item_seq == self.model.mask_id, 0)
        return rows._replace(item_seq=without, holes=True)

    @torch.no_grad()
    def __call__(self, rows: Rows) -> Tensor:
        """Outputs at the places that readable rows ask for, as ``encode`` returns them."""
        return self.model.encode(rows)[0]
