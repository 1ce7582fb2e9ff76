"""Starts a run from the weights of another run's pre-training stage."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.fingerprint import item_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.trainer.checkpoint import FIRST_STAGE, load_checkpoint


def begin_pretrained(config: Config, model: Any, train: ContrastiveDataset) -> None:
    """Loads the weights that the setting ``pretrained`` names, if the model has this setting and it is not None.

    Args:
        config: Settings of the run.
        model: Receives the weights.
        train: Its training split.

    Raises:
        UsageError: If the folder holds no weights, or they belong to other items or other sizes.
    """
    wanted = config["pretrained"]
    if wanted in (None, "none"):
        return
    path = Path(wanted) / FIRST_STAGE
    if not path.is_file():
        raise UsageError(f"pretrained = {wanted}: there is no {path}; give the folder of a run that has pre-trained")
    state = load_checkpoint(path, config["device"])
    if state["items"] != item_fingerprint(train):
        raise UsageError(f"pretrained = {wanted}: its items are not those of {config['dataset']}; pre-train on these")
    try:
        model.load_state_dict(state["state_dict"])
    except RuntimeError as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(f"pretrained = {wanted} does not fit these settings, use that run's sizes: {what}") from None
    getLogger().info(f"weights of {path}, after {state['epoch'] + 1} epochs of pre-training")
