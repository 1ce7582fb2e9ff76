"""Contents of ``best.pth`` and ``last.pth``; resuming from the latter continues as if never interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from recbole_cl.data.fingerprint import interaction_fingerprint, item_fingerprint
from recbole_cl.data.loader import TrainLoader
from recbole_cl.errors import UsageError
from recbole_cl.model.interface import TrainableModel
from recbole_cl.trainer.averaging import WeightAverage
from recbole_cl.trainer.checkpoint import load_checkpoint


@dataclass(frozen=True)
class TrainedOn:
    """Origin of a checkpoint; a checkpoint of another model or of other data is not resumed.

    Attributes:
        model: Name of the model.
        dataset: Name of the dataset.
        items: Hash of the item tokens in the order of their ids.
        interactions: Hash of all interactions.
        device: Kind of device; only the same kind can continue its random numbers.
    """

    model: str
    dataset: str
    items: str
    interactions: str
    device: str


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes:
        epoch: Epoch of the weights, from 0; -1 before the first.
        cur_step: Number of validations since the last improvement.
        best_valid_score: The best score seen by early stopping, infinite if there is none.
        best_valid_result: The metrics of that validation.
        best_epoch: Its epoch, -1 if there was none.
        seconds: Time spent on ``train`` and ``evaluate``.
    """

    epoch: int
    cur_step: int
    best_valid_score: float
    best_valid_result: Mapping[str, float] | None
    best_epoch: int
    seconds: Mapping[str, float]


def trained_on(model: str, dataset: str, loader: TrainLoader, device: torch.device) -> TrainedOn:
    """The origin of the current training.

    Args:
        model: Name of the model.
        dataset: Name of the dataset.
        loader: The training loader, which knows the data.
        device: Device of the training.
    """
    data = loader.dataset
    return TrainedOn(model, dataset, item_fingerprint(data), interaction_fingerprint(data), device.type)


def best_state(origin: TrainedOn, progress: Progress, model: TrainableModel) -> dict[str, Any]:
    """The content of ``best.pth``: weights that can be loaded and tested, and their origin."""
    result = progress.best_valid_result
    return {
        "model": origin.model,
        "dataset": origin.dataset,
        "items": origin.items,
        "epoch": progress.epoch,
        "cur_step": progress.cur_step,
        "best_valid_score": float(progress.best_valid_score),
        "best_valid_result": None if result is None else {name: float(value) for name, value in result.items()},
        "state_dict": model.state_dict(),
        "other_parameter": model.other_parameter(),
    }


def last_state(
    origin: TrainedOn,
    progress: Progress,
    model: TrainableModel,
    optimizer: torch.optim.Optimizer,
    loader: TrainLoader,
    average: WeightAverage,
) -> dict[str, Any]:
    """The content of ``last.pth``: all that is needed to resume exactly with the epoch after ``progress``."""
    return best_state(origin, progress, model) | {
        "optimizer": optimizer.state_dict(),
        "average": average.state_dict(),
        "random": _random_states(model, loader),
        "best_epoch": progress.best_epoch,
        "seconds": dict(progress.seconds),
        "device": origin.device,
        "interactions": origin.interactions,
    }


def take_up(
    path: Path,
    best: Path,
    origin: TrainedOn,
    model: TrainableModel,
    optimizer: torch.optim.Optimizer,
    loader: TrainLoader,
    average: WeightAverage,
) -> Progress:
    """Restores weights, optimiser and random states from a ``last.pth``.

    Args:
        path: The file.
        best: The run's ``best.pth``, which may be missing.
        origin: The origin of the current training.
        model: Receives the weights.
        optimizer: Receives its state; its learning rate and weight decay become those of the file, too.
        loader: Receives the state of its generator.
        average: Receives its state, if the file has one.

    Returns:
        How far the training had come.

    Raises:
        UsageError: If there is no usable file, or it belongs to another model, dataset or kind of device.
    """
    state = load_checkpoint(path, model.device)
    with _told(path):
        _refuse_another_origin(state, origin, path)
        progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
        _check_types(progress)
        load_weights(state, model, path)
        optimizer.load_state_dict(state["optimizer"])
        average.load_state_dict(state.get("average", {}))  # missing in runs of version 0.1.0
        _set_random_states(state["random"], model, loader)
    return _with_newer_best(progress, best)


def load_weights(state: Mapping[str, Any], model: TrainableModel, path: Path) -> None:
    """Loads the weights of either checkpoint into a model, with the state that the model declares as belonging to them.

    Args:
        state: The content of the file.
        model: Receives the weights.
        path: The file, for messages.

    Raises:
        UsageError: If they belong to another model, or the file sets state that the model has not declared.
    """
    with _told(path):
        others = dict(state["other_parameter"] or {})
        if unknown := others.keys() - model.other_parameter().keys():
            raise UsageError(
                f"{path} is refused: it sets {sorted(map(str, unknown))}, which its model does not declare"
            )
        model.load_state_dict(state["state_dict"])
        model.load_other_parameter(others)


def _with_newer_best(progress: Progress, path: Path) -> Progress:
    """Takes score and epoch of the best weights from their file if the run ended before ``last.pth`` had them."""
    if not path.is_file():
        return progress
    best = load_checkpoint(path)
    with _told(path):
        newer = {name: best[name] for name in ("best_valid_score", "best_valid_result")}
        return replace(progress, best_epoch=best["epoch"], **newer) if best["epoch"] > progress.epoch else progress


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Reports in one line that something is missing in a file, or has the wrong form."""
    try:
        yield
    except UsageError:
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        what = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise UsageError(f"{path} does not fit these settings and data, use the run's own: {what}") from None


def _check_types(progress: Progress) -> None:
    """Refuses an invalid progress, because its numbers control the training."""
    whole = (progress.epoch, progress.cur_step, progress.best_epoch)
    if any(type(value) is not int for value in whole) or type(progress.best_valid_score) not in (int, float):
        raise TypeError("epoch, cur_step, best_epoch and best_valid_score: expected numbers")
    for figures in (progress.best_valid_result or {}, progress.seconds):
        if any(type(value) not in (int, float) for value in figures.values()):
            raise TypeError("best_valid_result and seconds: expected numbers by name")
    if not {"train", "evaluate"} <= progress.seconds.keys():
        raise TypeError("seconds: expected those of train and evaluate")


def _refuse_another_origin(state: Mapping[str, Any], origin: TrainedOn, path: Path) -> None:
    for key, here in (("model", origin.model), ("dataset", origin.dataset)):
        if state[key] != here:
            raise UsageError(f"{path} is of {key} {state[key]}, not {here}")
    if state["items"] != origin.items:
        raise UsageError(f"{path} knows other items than {origin.dataset} has now: train again")
    if state.get("interactions", origin.interactions) != origin.interactions:  # missing in early checkpoints
        raise UsageError(
            f"{path} is of other interactions than {origin.dataset} has now, so its best validation means nothing "
            "here: train again"
        )
    if (written_on := state.get("device", origin.device)) != origin.device:
        raise UsageError(
            f"{path} was written on {written_on}, whose random numbers {origin.device} can't continue: resume on that "
            "kind of device, or train again"
        )


def _random_states(model: TrainableModel, loader: TrainLoader) -> dict[str, torch.Tensor]:
    """The states of the process's generators and of the model's and loader's own, named after their classes."""
    states = {"torch": torch.get_rng_state()}
    if model.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(model.device)
    return states | {name: generator.get_state() for name, generator in _generators(model, loader).items()}


def _set_random_states(states: Mapping[str, torch.Tensor], model: TrainableModel, loader: TrainLoader) -> None:
    torch.set_rng_state(states["torch"].cpu())
    if "cuda" in states and model.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), model.device)
    for name, generator in _generators(model, loader).items():
        if name in states:
            generator.set_state(states[name].cpu())


def _generators(model: TrainableModel, loader: TrainLoader) -> dict[str, torch.Generator]:
    owners = ((type(owner).__name__, owner.generator) for owner in (model, loader))
    return {name: generator for name, generator in owners if generator is not None}
