"""A trained model in a folder that needs neither its dataset nor RecBole: weights, settings and items.

Written by `recbole-cl export RUN --format package`, read by ``load_package``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recbole_cl.data.vocabulary import ITEMS_FILE, Vocabulary, load_items
from recbole_cl.errors import UsageError
from recbole_cl.serving.histories import histories_of
from recbole_cl.serving.recommending import SEEN, Recommender, exclusion_of
from recbole_cl.serving.scorer import ScorerSettings, SequenceScorer, scorer_of
from recbole_cl.writing import atomic_write_json, atomic_writer

if TYPE_CHECKING:
    from recbole_cl.serving.loaded import LoadedRun

WEIGHTS, SETTINGS = "weights.safetensors", "package.json"
FORMAT = 1


class Package:
    """An exported model.

    Args:
        scorer: The model, in eval mode.
        items: Its items.
        about: Its origin: model, dataset, seed.
    """

    def __init__(self, scorer: SequenceScorer, items: Vocabulary, about: dict[str, Any]) -> None:
        self.scorer, self.items, self.about = scorer, items, about
        self._recommender = Recommender(scorer.scorer, items, scorer.width, torch.device("cpu"))

    def recommend(
        self, histories: Iterable[Sequence[object]], k: int = 10, exclude: str | Iterable[object] = SEEN
    ) -> list[list[tuple[str, float]]]:
        """The best items after each history.

        Args:
            histories: Rows of items' tokens, the newest last; unknown ones are skipped.
            k: Number of items for each, at least 1 and at most the number of items.
            exclude: ``seen`` leaves out the row's own items; ``none`` leaves out nothing; tokens leave out those items
                as well as the seen ones.

        Returns:
            For each row, the items' tokens with their scores, best first; fewer than ``k`` if there are no more.

        Raises:
            UsageError: If a row has no item that the model knows, or an argument is out of range.
        """
        rows = histories_of(((None, row) for row in histories), self.items)
        lists = self._recommender.lists(rows, k, exclusion_of(exclude, self.items))
        return [
            [(self.items.tokens[i], value) for i, value in zip(*pair, strict=True) if value > -torch.inf]
            for batch in lists
            for pair in zip(batch.item.tolist(), batch.score.tolist(), strict=True)
        ]


def write_package(run: LoadedRun, folder: Path) -> None:
    """Writes the package of a loaded run.

    Args:
        run: The run.
        folder: A new folder, or an empty one.

    Raises:
        UsageError: If the folder has files, safetensors is not installed, or the model can't be packed.
    """
    try:
        from safetensors.torch import save
    except ImportError:
        raise UsageError("a package needs safetensors: pip install 'recbole_cl[export]'") from None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already: give a new folder")
    scorer = scorer_of(run.model)
    weights = {name: value.detach().cpu().contiguous() for name, value in scorer.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_writer(folder / WEIGHTS) as file:
        file.write(save(weights))
    config = run.config
    run.items.save(folder / ITEMS_FILE)
    about = {"model": config["model"], "dataset": config["dataset"], "seed": config["seed"]}
    # written last: a folder that has it is complete
    atomic_write_json(folder / SETTINGS, {"format": FORMAT, "about": about, "scorer": asdict(scorer.settings)})


def load_package(folder: str | Path) -> Package:
    """Reads a package, on the CPU; it imports neither RecBole nor pandas.

    Args:
        folder: A folder that ``recbole-cl export RUN --format package`` wrote.

    Returns:
        The model, in eval mode, ready to recommend.

    Raises:
        UsageError: If it is missing or damaged, or safetensors is not installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise UsageError("a package needs safetensors: pip install 'recbole_cl[export]'") from None
    folder = Path(folder)
    values = _read_settings(folder / SETTINGS)
    try:
        scorer = SequenceScorer(ScorerSettings(**values["scorer"]))
        scorer.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError, TypeError, KeyError, ValueError) as error:
        raise UsageError(f"{folder} is damaged: {' '.join(str(error).split())[:200]}; export it again") from None
    items = load_items(folder / ITEMS_FILE)
    if len(items) != scorer.settings.n_items:
        raise UsageError(f"{folder} is damaged: its items and weights do not fit together; export it again")
    return Package(scorer.eval(), items, values["about"])


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{file.parent} is not a package: it has no {file.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is damaged ({error}): export it again") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT or not {"scorer", "about"} <= values.keys():
        raise UsageError(f"{file} is damaged, or of another version: export it again")
    return values
