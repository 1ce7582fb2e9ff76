"""What loader, trainer, evaluation and runs ask of a model: the same of ours and of RecBole's.

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
    """Scores of items for rows that are encoded already."""

    def __call__(self, rows: slice, items: slice) -> Tensor:
        """Scores a block.

        Args:
            rows: Some of the B rows.
            items: Some of the N items.

        Returns:
            Scores, [rows, items], free to be written to.
        """


class TrainableModel(ABC):
    """The interface of a sequential model in our runs; ``adapter.adapted`` gives it to a class that lacks it.

    Such a model is a torch module, too, and one of RecBole's, built by ``(config, dataset)``.

    Attributes:
        encodes_rows: Whether the model gives representations of rows, so that it can be another's complement.
        n_items: N.
        device: Where the weights lie.
        generator: Source of the model's own draws, whose state goes into checkpoints; None if it has none.
        train, eval, parameters, named_parameters, buffers, state_dict, load_state_dict: Torch's methods.
        other_parameter: RecBole's method: what belongs to the weights and is no parameter, by name.
        load_other_parameter: RecBole's method, which takes that up.
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
    @abstractmethod
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """What is to be drawn for each anchor of a batch, by name: ``batch.extra`` then holds it."""

    @property
    @abstractmethod
    def pretraining(self) -> bool:
        """Whether this epoch does not train for recommendation yet; it is then not validated."""

    @property
    @abstractmethod
    def has_next_stage(self) -> bool:
        """Whether training goes on when early stopping has ended it: from the best weights, by ``start_next_stage``."""

    @abstractmethod
    def start_next_stage(self) -> None:
        """Turns to what is trained next; called with the best weights loaded."""

    @abstractmethod
    def start_epoch(self, epoch: int) -> None:
        """Prepares an epoch, counted from 0; called before its first batch."""

    @abstractmethod
    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Figures about the epoch that are worth recording, by name; called after its last batch."""

    @abstractmethod
    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """The loss terms of a training batch by name, scalars whose sum is minimised."""

    @property
    def first_stage_epochs(self) -> int:
        """After how many epochs a first stage ends whose weights are kept for other runs; 0 for no such stage."""
        return 0

    @property
    def stepped_twice(self) -> Sequence[nn.Parameter]:
        """Weights that every batch updates a second time, by the same gradients; in most models none."""
        return ()

    def optimiser_steps(self, interaction: Interaction) -> Sequence[Callable[[], Mapping[str, Tensor]]]:
        """What a training batch does to the weights: in most models one step, on ``named_losses``.

        Each is a function of the terms whose sum the step minimises, called once the steps before it are taken. A step
        leaves alone the parameters that its terms do not reach, so that a model may train its parts in turns. Where
        terms of several steps have the same name, the last one is recorded.
        """
        return [partial(self.named_losses, interaction)]

    @abstractmethod
    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        """Encodes rows, in eval mode and without gradients.

        Args:
            item_seq: Item ids, oldest first, 0 beyond the length; L is the longest row that the settings allow.
            seq_len: Lengths, 1..L.
            user: User ids.

        Shape:
            item_seq: [B, L]; seq_len and user: [B].

        Returns:
            What scores items for these rows.
        """
