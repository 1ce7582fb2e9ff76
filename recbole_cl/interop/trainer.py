"""RecBole's trainer for our models, which need to know when an epoch begins and ends."""

from __future__ import annotations

from typing import Any

import torch
from recbole.trainer import Trainer

from recbole_cl.errors import UsageError


class EpochTrainer(Trainer):
    """The trainer that ``get_trainer`` returns for our models after ``register()``.

    Raises:
        UsageError: If the model trains in stages, which RecBole's early stopping does not support, or after an earlier
            run's first stage, whose weights RecBole does not load.
    """

    model: Any

    def __init__(self, config: Any, model: Any) -> None:
        if model.pretraining or model.has_next_stage or config["pretrained"] not in (None, "none"):
            name = type(model).__name__
            raise UsageError(f"{name} trains in stages with these settings; use recbole_cl.run(model={name!r}, ...)")
        super().__init__(config, model)

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        self.model.start_epoch(epoch_idx)
        with torch.autograd.set_detect_anomaly(False):  # importing RecBole's models enables it
            losses = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)
        for name, value in self.model.end_epoch(epoch_idx).items():
            self.logger.info(f"epoch {epoch_idx} {name}: {value:.4f}")
        return losses
