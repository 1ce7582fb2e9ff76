"""The interface that loader, trainer, evaluation and runs require of a model, the same for ours and RecBole's.

Letters: B rows, L columns, N items (padding row 0 included).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from recbole.data.interaction import Interaction
from torch import Tensor, nn

from recbole_cl.data.hooks import HookFactory


class Scorer(Protocol):
    """Scores items for rows that have already been encoded."""

    def __call__(self, rows: slice, items: slice) -> Tensor:
        """Scores a block.

        Args:
            rows: Some of the B rows.
            items: Some of the N items.

        Returns:
            Scores, [rows, items]; the caller may modify them.
        """


class TrainableModel(ABC):
    """The interface of a sequential model in our runs; ``adapter.adapted`` adds it to a class that lacks it.

    Such a model is also a torch module and a RecBole model, built by ``(config, dataset)``.

    Attributes:
        encodes_rows: Whether the model gives representations of rows, so that it can complement another model.
        n_items: N.
        device: Device of the weights.
        generator: Source of the model's own draws, whose state is saved in checkpoints; None if it has none.
        train, eval, parameters, named_parameters, buffers, state_dict, load_state_dict: Torch's methods.
        other_parameter: RecBole's method: state that belongs to the weights but is not a parameter, by name.
        load_other_parameter: RecBole's method that restores this state.
    """

    encodes_rows: ClassVar[bool]
    n_items: int
    device: torch.device
    generator: torch.Generator | None
    train: Callable[..., Any]
    eval: Callable[..., Any]
    parameters: Callable[..., Any]
    named_parameters: Callable[..., Any]
    buffers: Callable[..., Any]
    state_dict: Callable[..., Any]
    load_state_dict: Callable[..., Any]
    other_parameter: Callable[[], dict[str, Any]]
    load_other_parameter: Callable[[dict[str, Any] | None], None]

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """What to draw for each anchor of a batch, by name; the results are in ``batch.extra``."""
        return {}

    @property
    def pretraining(self) -> bool:
        """Whether this epoch does not yet train for recommendation; our trainer then does not validate it."""
        return False

    @property
    def has_next_stage(self) -> bool:
        """Whether ``start_next_stage`` continues the training after early stopping, from the best weights."""
        return False

    def start_next_stage(self) -> None:
        """Switches to the next training stage; our trainer calls it with the best weights loaded."""
        raise NotImplementedError

    def start_epoch(self, epoch: int) -> None:  # noqa: B027  # most methods have nothing to prepare
        """Prepares an epoch, counted from 0: refits what is fitted once per epoch, and freezes parameters if asked to.

        Our trainer calls it before the first batch. A plain RecBole script must call it: ``trainer.fit(...,
        callback_fn=lambda epoch, score: model.start_epoch(epoch + 1))``; otherwise the method stays as in epoch 0.
        """

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Statistics of the epoch to record, by name; our trainer calls it after the last batch."""
        return {}

    @abstractmethod
    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """The loss terms of a training batch by name, scalars whose sum is minimised."""

    @property
    def first_stage_epochs(self) -> int:
        """Number of epochs of a first stage whose weights are kept for other runs; 0 if there is no such stage.

        After it the optimiser begins anew, without the first stage's moments.
        """
        return 0

    @property
    def stepped_twice(self) -> Sequence[nn.Parameter]:
        """Weights that every batch updates twice, with the same gradients; none in most models."""
        return ()

    def optimiser_steps(self, interaction: Interaction) -> Sequence[Callable[[], Mapping[str, Tensor]]]:
        """The optimiser steps of a training batch: in most models one step, on ``named_losses``.

        Each step is a function that returns the terms whose sum the step minimises; it is called after the steps before
        it have been taken. A step does not change parameters that its terms do not depend on, so a model may train its
        parts in turn. If terms of several steps have the same name, the last one is recorded.
        """
        return [partial(self.named_losses, interaction)]

    @abstractmethod
    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        """Encodes rows, in eval mode and without gradients.

        Args:
            item_seq: Item ids, oldest first, 0 after the end of the row; L is the longest row that the settings allow.
            seq_len: Lengths, 1..L.
            user: User ids.

        Shape:
            item_seq: [B, L]; seq_len and user: [B].

        Returns:
            A scorer for these rows.
        """
