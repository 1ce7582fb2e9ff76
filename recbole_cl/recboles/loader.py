"""RecBole's training loaders in place of ours: negatives, transforms and labels are RecBole's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
from recbole.data.interaction import Interaction
from recbole.data.utils import get_dataloader
from recbole.sampler import RepeatableSampler, Sampler
from torch import Tensor

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import require_rows, rows_of
from recbole_cl.errors import UsageError

_WORDS = 625  # of a Mersenne twister: its state and the position in it


class RecBolesLoader:
    """One of RecBole's training loaders, with the interface that our trainer needs.

    RecBole's ``data_preparation`` is not used: it would unpickle files in ``checkpoint_dir``, and its sampling of
    negatives by popularity would count test items, too. The loader's class and its samplers are RecBole's.

    Args:
        config: The settings of the run.
        train: The training part.
        batches_of: The dataset that batches are made from: see ``model_dataset``.

    Attributes:
        dataset: The training part, for RecBole's collector.
        prefixes: Its rows.
        generator: All random states that batches depend on; they are saved in checkpoints.
        on_batch: Called after each batch.
    """

    train_form = "recbole"

    def __init__(self, config: Config, train: ContrastiveDataset, batches_of: Any) -> None:
        self.prefixes = require_rows(rows_of(train), "training")
        self.dataset = train
        self.on_batch: Callable[[], object] = lambda: None
        kind = get_dataloader(config, "train")
        self._loader = kind(config, batches_of, _sampler(config, batches_of), shuffle=config["shuffle"])
        self.generator = RandomStates(self._loader.generator)

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Interaction]:
        for batch in self._loader:
            yield batch
            self.on_batch()

    @property
    def n_rows(self) -> int:
        """The size of an epoch: the number of rows, interactions or users."""
        return int(self._loader.sample_size)

    def get_model(self, model: Any) -> None:
        """Gives the loader the model that chooses negatives among candidates (RecBole's hook of this name)."""
        self._loader.get_model(model)


class RandomStates:
    """The generators that RecBole's batches are drawn from, as one: Python's, numpy's, and the loader's own.

    Args:
        own: The loader's generator.
    """

    def __init__(self, own: torch.Generator) -> None:
        self._own = own

    def get_state(self) -> Tensor:
        """All states, int64."""
        _, words, place, has_gauss, gauss = cast(Any, np.random.get_state())  # noqa: NPY002 - RecBole's
        parts = [
            torch.tensor(random.getstate()[1]),
            torch.from_numpy(np.r_[words.astype(np.int64), place]),
            torch.tensor([has_gauss]),
            torch.tensor([gauss], dtype=torch.float64).view(torch.int64),
            self._own.get_state().long(),
        ]
        return torch.cat(parts)

    def set_state(self, state: Tensor) -> None:
        """Restores all states.

        Args:
            state: The result of ``get_state``.
        """
        python, numpy, rest = state.cpu().split([_WORDS, _WORDS, len(state) - 2 * _WORDS])
        random.setstate((3, tuple(python.tolist()), None))
        gauss = float(rest[1:2].view(torch.float64))
        words = numpy[:-1].numpy().astype(np.uint32)
        np.random.set_state(("MT19937", words, int(numpy[-1]), int(rest[0]), gauss))  # noqa: NPY002 - RecBole's
        self._own.set_state(rest[2:].to(torch.uint8))


def _sampler(config: Config, batches_of: Any) -> Any:
    """RecBole's sampler of negatives: for sequences any item but the target, for users any not in training data."""
    args = config["train_neg_sample_args"]
    distribution = args["distribution"]
    if distribution == "none":
        return None
    if config["MODEL_TYPE"].name == "SEQUENTIAL":
        sampler = RepeatableSampler(["train"], batches_of, distribution, args["alpha"])
        return sampler.set_phase("train")
    try:
        sampler = Sampler(["train"], [batches_of], distribution, args["alpha"])
    except ValueError as error:
        raise UsageError(
            f"{config['model']} draws items that a user has not met, and a user has met all {batches_of.item_num - 1} "
            "in training: leave such users out by user_inter_num_interval"
        ) from error
    return sampler.set_phase("train")
