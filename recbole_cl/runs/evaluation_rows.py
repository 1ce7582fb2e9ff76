"""The rows that a run validates and tests on."""

from __future__ import annotations

from logging import getLogger

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.noise import with_noise
from recbole_cl.data.rows import require_rows, rows_of
from recbole_cl.evaluation.protocol import not_comparable
from recbole_cl.evaluation.ranks import EvaluationRows, evaluation_rows
from recbole_cl.evaluation.sampled import among_sampled
from recbole_cl.runs.settings import settings_of


def asked_for_rows(config: Config, split: ContrastiveDataset, name: str) -> EvaluationRows | None:
    """The rows of a split, as ``build_evaluation_rows`` makes them; None if the settings leave the split out."""
    return None if leaves_out(config, split, name) else build_evaluation_rows(config, split, name)


def build_evaluation_rows(config: Config, split: ContrastiveDataset, name: str) -> EvaluationRows:
    """The rows of a validation or test split, on the device, ready to be ranked as ``eval_args.mode`` says.

    Args:
        config: The settings of the run.
        split: The split.
        name: ``validation`` (or ``valid``), or ``test``; noise is added to the rows of the test only.

    Raises:
        UsageError: If there are no rows, or fewer items than the mode samples.
    """
    return among(config, rows_among_all(config, split, name), name, settings_of(config).evaluation.longest)


def rows_among_all(
    config: Config, split: ContrastiveDataset, name: str, noise_share: float | None = None
) -> EvaluationRows:
    """The rows of a validation or test split, to be ranked among all items.

    Args:
        config: The settings of the run.
        split: The split.
        name: ``validation`` (or ``valid``), or ``test``; noise is added to the rows of the test only.
        noise_share: Replaces ``test_noise_share``.

    Raises:
        UsageError: If there are no rows.
    """
    settings = settings_of(config)
    share = settings.test_noise_share if noise_share is None else noise_share
    rows = require_rows(rows_of(split), name)
    noisy = with_noise(rows, share, split.item_num, settings.seed) if name == "test" and share else None
    shown = noisy.to(settings.device) if noisy else None
    return evaluation_rows(rows.to(settings.device), split.item_num, shown)


def among(config: Config, rows: EvaluationRows, name: str, longest: int, mode: str | None = None) -> EvaluationRows:
    """The same rows, to be ranked by a given mode; warns if that mode ranks among sampled items.

    Args:
        config: The settings of the run; its seed determines the sampled items.
        rows: Rows to be ranked among all items.
        name: ``validation`` (or ``valid``), or ``test``.
        longest: The longest list that is measured.
        mode: Replaces ``eval_args.mode``.

    Raises:
        UsageError: If there are fewer items than the mode samples, or the measured lists are longer.
    """
    mode = mode or config["eval_args"]["mode"]["valid" if name.startswith("valid") else "test"]
    if mode == "full":
        return rows
    getLogger().warning(f"{name}: {not_comparable(mode)}")
    return among_sampled(rows, mode, longest, settings_of(config).seed)


def leaves_out(config: Config, split: ContrastiveDataset, name: str) -> bool:
    """Whether a split is empty because the settings ask for no validation, or for no test."""
    return not len(split) and asks_for_none(config, name)


def asks_for_none(config: Config, name: str) -> bool:
    """Whether the settings ask for no validation (``name`` as above), or for no test; needs no data."""
    validation = name.startswith("valid")
    files, split = config["benchmark_filename"], config["eval_args"]["split"]
    if config["train_on"] == "all":
        return True
    if files:
        return validation and len(files) == 2
    if "RS" in split:
        return not split["RS"][1 if validation else 2]
    return bool(split["LS"] == ("test_only" if validation else "valid_only"))
