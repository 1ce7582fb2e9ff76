"""The complementary encoder of a view: given, or trained before the model that uses it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_cl.config.config import Config
from recbole_cl.config.identity import identity
from recbole_cl.config.presets import read_settings
from recbole_cl.config.settings import canonical, settings_class
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.fingerprint import interaction_fingerprint, item_fingerprint
from recbole_cl.distributed.processes import world
from recbole_cl.encoder.registry import ENCODERS
from recbole_cl.errors import UsageError
from recbole_cl.model.adapter import adapted
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.sasrec import SASRec
from recbole_cl.runs.folder import BEST, COMPLEMENT, COMPLEMENT_SOURCE, CONFIG, ENVIRONMENT, LAST, RESULT
from recbole_cl.trainer.checkpoint import load_checkpoint
from recbole_cl.writing import atomic_write_json

_MEASURED = (RESULT, ENVIRONMENT)  # its results and costs, and the machine


def complement_of(
    config: Config, run_dir: Path, train: ContrastiveDataset, train_in: Callable[[Config, Path], object]
) -> EncoderRecommender | None:
    """The trained encoder that the setting ``complement`` asks for, kept in the run folder.

    ``transformer`` and ``gru`` are a SASRec of one layer, trained with the run's own settings and its seed plus 1. A
    run folder, such as another run's ``complement``, is copied. A resumed run uses the encoder in its folder, wherever
    that has been moved and even if the learning rate or the stopping rule has changed. An interrupted training of the
    encoder is resumed if its settings are unchanged; otherwise it starts over.

    Args:
        config: Settings of the run.
        run_dir: Its folder.
        train: Its training split.
        train_in: Trains a run with given settings in a given folder.

    Returns:
        The encoder, or None if none is asked for.

    Raises:
        UsageError: If a given run is not one of ours, or was trained on other items; or if the data of a resumed run
            have changed, or the encoder that it began with is missing.
    """
    wanted = config["complement"]
    if wanted in (None, "none"):
        return None
    own = run_dir / COMPLEMENT
    small = _complement_config(config) if wanted in ENCODERS.names() else None
    interactions = interaction_fingerprint(train) if small else None  # a given run may have other interactions
    if _is_finished(own):
        if _stored(own)["interactions"] != interactions:
            words = f"complement = {wanted}: {own} is of other interactions than {config['dataset']} has now"
            raise UsageError(f"{words}; start a new run")
        return _load(config, own, train)
    if (run_dir / LAST).is_file():
        raise UsageError(f"{run_dir} began with an encoder in {own}, which is missing; put it back, or start a new run")
    if small:
        source = _train(small, _key(small.settings_dict(), interactions), interactions, own, train_in)
    else:
        source = _given_folder(wanted)
    model = _load(config, source, train)  # before copying: refuses runs not ours or with other items
    if source != own:
        _copy(source, own)
    atomic_write_json(own / COMPLEMENT_SOURCE, {"interactions": interactions, "source": str(source)})
    return model


def _train(
    small: Config, key: str, interactions: str | None, own: Path, train_in: Callable[[Config, Path], object]
) -> Path:
    """Trains the encoder in its folder; resumes a training under the same key that was interrupted."""
    most = f"for at most {small['epochs']} epochs (complement_epochs)"
    getLogger().info(f"complementary encoder ({small['encoder']}): trained first, {most}, in {own}")
    if (own / LAST).is_file() and _key_in(own) == key:
        small["resume"] = str(own)
    own.mkdir(exist_ok=True)
    for name in () if small["resume"] else (LAST, BEST, *_MEASURED):
        (own / name).unlink(missing_ok=True)  # left by a training under other settings
    atomic_write_json(own / COMPLEMENT_SOURCE, {"interactions": interactions, "source": None})  # needs a result, too
    train_in(small, own)
    return own


def _complement_config(config: Config) -> Config:
    """Settings of the complementary encoder's own training: the run's values for every setting that SASRec has."""
    only_theirs = settings_class(config.model_class).model_fields.keys() - settings_class(SASRec).model_fields.keys()
    values = {key: value for key, value in config.settings_dict().items() if key not in only_theirs}
    own = {"model": "SASRec", "encoder": config["complement"], "n_layers": 1, "epochs": config["complement_epochs"]}
    own["compile_encoder"] = False  # impossible for a GRU, and not worth it for one layer
    own["seed"] = (config["seed"] + 1) % 2**32  # differs from the initial weights of the run itself
    return Config(stored=values | own | {"resume": None})


def _key(settings: Mapping[str, Any], interactions: str | None) -> str:
    """Hash of everything that determines what a training learns: its settings, and all interactions in order."""
    return hashlib.sha256(f"{canonical(identity(settings))}\n{interactions}".encode()).hexdigest()


def _key_in(folder: Path) -> str:
    """The key of the training in a folder, from the settings stored there now."""
    return _key(read_settings(folder / CONFIG), _stored(folder)["interactions"])


def _stored(folder: Path) -> Mapping[str, Any]:
    """The stored facts about the encoder in a folder; empty if there is none."""
    file = folder / COMPLEMENT_SOURCE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _is_finished(folder: Path) -> bool:
    """Whether a folder holds an encoder that was copied, or fully trained."""
    files = all((folder / name).is_file() for name in (CONFIG, BEST, COMPLEMENT_SOURCE))
    return files and bool(_stored(folder).get("source") or (folder / RESULT).is_file())


def _given_folder(setting: str) -> Path:
    path = Path(setting)
    folder = path.parent if path.name == BEST else path
    for name in (CONFIG, BEST):
        if not (folder / name).is_file():
            kinds = ", ".join(("none", *ENCODERS.names()))
            raise UsageError(f"complement = {setting}: expected {kinds} or a run folder, and {folder} has no {name}")
    return folder


def _copy(source: Path, own: Path) -> None:
    own.mkdir(exist_ok=True)
    for name in (CONFIG, BEST, *_MEASURED) if world().rank == 0 else ():
        if (source / name).is_file():
            shutil.copyfile(source / name, own / name)


def _load(config: Config, folder: Path, train: ContrastiveDataset) -> EncoderRecommender:
    """The model of a run folder with its best weights; refused if its items are not those of the training split."""
    its_config = Config(config_dict={key: config[key] for key in ("use_gpu", "gpu_id")}, stored=folder / CONFIG)
    model_class: Any = adapted(its_config.model_class)
    if not model_class.encodes_rows:
        raise UsageError(
            f"complement = {folder}: {its_config['model']} represents no rows; give a run of another method of ours"
        )
    state = load_checkpoint(folder / BEST, config["device"])
    if state.get("items") != item_fingerprint(train):
        raise UsageError(
            f"complement = {folder}: was trained on other items than {config['dataset']} has here; train one on these"
        )
    model: EncoderRecommender = model_class(its_config, train).to(config["device"])
    model.load_state_dict(state["state_dict"])
    return model
