"""A small trainer with all that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from recbole_cl.config.config import Config
from recbole_cl.data.loader import TrainLoader
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer
from recbole_cl.runs.evaluation_rows import build_evaluation_rows
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.trainer import Trainer


class Parts(NamedTuple):
    """A trainer, its training loader and its validation rows."""

    trainer: Trainer
    loader: TrainLoader
    valid: EvaluationRows


def config_of(folder: Path, name: str = "SASRec", **settings: Any) -> Config:
    """Settings of a run on the circle, which is written if the folder has none.

    Args:
        folder: For data and checkpoints.
        name: A model of ours, or one of RecBole's.
        **settings: Beside ``TINY``; a None takes one out of that.
    """
    exists = (folder / "cycle").exists()
    data = {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")} if exists else write_cycle(folder)
    given = {key: value for key, value in (TINY | data | settings).items() if value is not None}
    return Config(name, "cycle", config_dict=given)


def assemble(folder: Path, name: str = "SASRec", **settings: Any) -> Parts:
    """Builds them by ``config_of``; checkpoints and events go to the folder."""
    config = config_of(folder, name, **settings)
    _, (train, valid, _) = build_data(config)
    model = build_model(config, train)
    trainer = build_trainer(config, model, folder)
    return Parts(trainer, build_loader(config, model, train), build_evaluation_rows(config, valid, "validation"))
