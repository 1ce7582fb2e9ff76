"""The command `convert-checkpoint`: converts a RecBole SASRec to one of our run folders, and back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import yaml
from recbole.config import Config as RecBoleConfig

from recbole_cl.config.common import WITHOUT_EFFECT, BatchKeys, CommonSettings
from recbole_cl.config.config import Config
from recbole_cl.config.foreign import HARMLESS
from recbole_cl.config.models import model_class
from recbole_cl.config.recboles import recboles_settings
from recbole_cl.data.fingerprint import item_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.interop.checkpoints import read_checkpoint
from recbole_cl.interop.quick_start import number_lists_as_items
from recbole_cl.interop.sasrec import from_recbole, to_recbole
from recbole_cl.model.sasrec import SASRec
from recbole_cl.runs.build import build_data, build_model, config_of_run
from recbole_cl.runs.folder import BEST, CONFIG, new_folder
from recbole_cl.trainer.checkpoint import load_checkpoint, save_checkpoint
from recbole_cl.writing import atomic_write_text

_THEIRS = "recbole:SASRec"
# Keys that affect neither a trained model nor its data.
_OF_THE_RUN = frozenset({*HARMLESS, *BatchKeys.model_fields})
# The only values that RecBole's SASRec has of settings that change a model's weights or scores.
_AS_THEIRS = {
    "encoder": "transformer",
    "right_aligned": False,
    "history_penalty": False,
    "scale_items": False,
    "pretrained_items": None,
    "preload_weight": None,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `convert-checkpoint`."""
    parser.add_argument("source", type=Path, help="a .pth of RecBole's SASRec, or a run folder of ours with a SASRec")
    parser.add_argument("--data_path", help="folder of dataset folders (default: as the source has it)")
    parser.add_argument(
        "--output",
        type=Path,
        help="run folder, or .pth file, to write (default: a new folder in saved, or recbole.pth in the run folder)",
    )


def main(args: argparse.Namespace) -> int:
    """Convert what `args` names, and print what was written."""
    convert = to_checkpoint if args.source.is_dir() else to_run_folder
    print(convert(args.source, args.output, args.data_path))
    return 0


def to_run_folder(checkpoint: Path, output: Path | None = None, data_path: str | None = None) -> Path:
    """Makes a run folder from a checkpoint of RecBole's SASRec.

    ``load`` and the functions that build on it accept the folder. It has no state for resuming training, because the
    shapes of Adam's moments differ here.

    Args:
        checkpoint: A file that RecBole's trainer wrote.
        output: The folder to make; None for a new one in ``saved``.
        data_path: Folder of dataset folders; None for the checkpoint's own.

    Returns:
        The folder.

    Raises:
        UsageError: If the checkpoint is refused, is of another model, or does not fit the data.
        FileExistsError: If the folder exists.
    """
    state = read_checkpoint(checkpoint, "cpu")
    stored = state["config"]
    if stored.model_class is not model_class(_THEIRS):
        raise UsageError(f"{checkpoint} is of {stored.model}: only RecBole's SASRec has a counterpart of equal weights")
    if stored["hidden_act"] != "gelu":
        raise UsageError(f"{checkpoint}: hidden_act = {stored['hidden_act']}, and our encoders have only gelu")
    config = Config("SASRec", stored["dataset"], config_dict=_our_settings(stored, data_path))
    _refuse_unknown_numbers(config, checkpoint)
    dataset, (train, *_) = build_data(config)
    if train.names_items and train.list_column not in (stored["alias_of_item_id"] or ()):
        raise UsageError(
            f"{checkpoint}: RecBole numbered the items of {train.list_column} by themselves, so that its weights mix "
            f"two numberings: train it again with alias_of_item_id: [{train.list_column}]"
        )
    rows = len(state["state_dict"]["item_embedding.weight"])
    if rows != dataset.item_num:
        raise UsageError(
            f"{checkpoint} knows {rows - 1} items, and {config['data_path']} has {dataset.item_num - 1}: give the data "
            "that it was trained on by --data_path"
        )
    model = build_model(config, train)
    _load_exactly(model, from_recbole(state["state_dict"]), checkpoint)
    folder = output or new_folder(Path("saved"), "SASRec", stored["dataset"], config["seed"])
    if output:
        folder.mkdir(parents=True)
    weights = {
        "model": "SASRec",
        "dataset": stored["dataset"],
        "items": item_fingerprint(dataset),
        "epoch": state["epoch"],
        "cur_step": state["cur_step"],
        "best_valid_score": state["best_valid_score"],
        "best_valid_result": None,
        "state_dict": model.state_dict(),
        "other_parameter": model.other_parameter(),
    }
    save_checkpoint(weights, folder / BEST)
    atomic_write_text(folder / CONFIG, yaml.safe_dump(config.settings_dict(), sort_keys=True))
    return folder


def to_checkpoint(run_dir: Path, output: Path | None = None, data_path: str | None = None) -> Path:
    """Makes a checkpoint for RecBole's SASRec from one of our run folders.

    Args:
        run_dir: A finished run of ``SASRec``.
        output: The file to write; None for ``recbole.pth`` in the folder.
        data_path: Folder of dataset folders; None for the run's own.

    Returns:
        The file. RecBole's ``load_data_and_model`` and ``resume_checkpoint`` load its weights; the optimiser's moments
            start from zero.

    Raises:
        UsageError: If the folder holds no run, or a run that RecBole's SASRec cannot represent.
    """
    ours = config_of_run(run_dir, data_path=data_path)
    _refuse_what_theirs_lacks(run_dir, ours)
    _refuse_unknown_numbers(ours, run_dir)
    settings = {key: it for key, it in ours.settings_dict().items() if key in _carried()}
    theirs = Config(_THEIRS, ours["dataset"], config_dict=settings | {"loss_type": "CE", "hidden_act": "gelu"})
    dataset, (train, *_) = build_data(theirs)
    state = load_checkpoint(run_dir / BEST)
    if state["items"] != item_fingerprint(dataset):
        raise UsageError(f"{run_dir} was trained on other items than {dataset.dataset_name} has now: train again")
    if train.names_items:
        number_lists_as_items(theirs)
    model = build_model(theirs, train)
    _load_exactly(model, to_recbole(state["state_dict"]), run_dir)
    checkpoint = {
        "config": _recboles_config(theirs),
        "epoch": state["epoch"],
        "cur_step": state["cur_step"],
        "best_valid_score": state["best_valid_score"],
        "state_dict": model.state_dict(),
        "other_parameter": model.other_parameter(),
        "optimizer": torch.optim.Adam(model.parameters(), lr=theirs["learning_rate"]).state_dict(),
    }
    file = output or run_dir / "recbole.pth"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(checkpoint, file)
    return file


def _carried() -> set[str]:
    """Settings that RecBole's SASRec and ours share."""
    shape = recboles_settings(model_class(_THEIRS)).model_fields.keys() & SASRec.settings.model_fields.keys()
    return {*CommonSettings.model_fields, *shape} - {"model", "dataset", "resume", *BatchKeys.model_fields}


def _our_settings(stored: Any, data_path: str | None) -> dict[str, Any]:
    """The settings of a run with RecBole's data, splits and sizes; what RecBole leaves out is unset, not our preset."""
    theirs = stored.final_config_dict
    values = {key: theirs[key] for key in _carried() & theirs.keys()}
    bare = {"user_inter_num_interval": None, "item_inter_num_interval": None, "normalize_all": None}
    told = {key: theirs[key] for key in WITHOUT_EFFECT.keys() & theirs.keys() if key not in _OF_THE_RUN}
    if theirs.get("weight_decay") is None:
        values.pop("weight_decay", None)
    folder = data_path or str(Path(theirs["data_path"]).parent)
    loss = {"recommendation_loss": "bpr" if theirs.get("loss_type") == "BPR" else "ce"}
    return bare | values | told | loss | _AS_THEIRS | {"data_path": folder, "train_form": "prefix"}


def _refuse_unknown_numbers(config: Config, source: Path) -> None:
    """Refuses weights whose items RecBole numbers in an order that cannot be known."""
    if config["rm_dup_inter"] and not config["benchmark_filename"]:
        raise UsageError(
            f"{source}: with rm_dup_inter = {config['rm_dup_inter']} RecBole numbers items after a sort that shuffles "
            "equal times, so that nobody can tell which weights are whose: remove repeated pairs from the file itself, "
            "and train again without rm_dup_inter"
        )


def _refuse_what_theirs_lacks(run_dir: Path, config: Config) -> None:
    if config.model_class is not SASRec:
        raise UsageError(
            f"{run_dir} is of {config['model']}: only SASRec has a counterpart of equal weights in RecBole"
        )
    for key, theirs in _AS_THEIRS.items():
        if config[key] != theirs:
            raise UsageError(f"{run_dir}: {key} = {config[key]}, and RecBole's SASRec has only {theirs}")


def _load_exactly(model: Any, state: dict[str, torch.Tensor], source: Path) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(f"{source} does not fit its own settings: {' '.join(str(error).split())[:200]}") from None


def _recboles_config(config: Config) -> RecBoleConfig:
    """The same settings in RecBole's class, without its constructor, which would read this process's command line."""
    theirs: Any = RecBoleConfig.__new__(RecBoleConfig)
    own = {key: it for key, it in vars(config).items() if not key.startswith("_")}
    vars(theirs).update(own, yaml_loader=yaml.FullLoader)
    return theirs
