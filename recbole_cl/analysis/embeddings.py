"""Item embeddings: their singular values, and their projection to a plane.

Letters: N items (padding row left out), D hidden size.

Reference:
    Qiu, Huang, Yin and Wang (DuoRec), WSDM 2022, Figures 1, 3 and 4. As in their code, the matrix is not centred; that
    code plots the weights of the last epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_cl.analysis.drawing import legend_below, line_style, panels
from recbole_cl.analysis.runs import Drawing, Named, Subject
from recbole_cl.errors import UsageError
from recbole_cl.report.users import user_counts
from recbole_cl.runs.folder import BEST, LAST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHTS = {"best": BEST, "last": LAST}
_TABLE = "item_embedding.weight"


def spectrum(subject: Subject) -> Drawing:
    """Singular values of the item embeddings, relative to the largest; a fast decay indicates degeneration."""
    parts = []
    for each, weights, name in _all(subject):
        values = np.linalg.svd(item_vectors(each.run.run_dir, weights), compute_uv=False)
        numbers = np.arange(1, len(values) + 1)
        parts.append(_labelled(name, weights, {"number": numbers, "relative": values / values[0], "value": values}))
    table = pd.concat(parts, ignore_index=True)

    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=6, height=4)
        for place, (name, its) in enumerate(table.groupby("run", sort=False)):
            axes.plot(its["number"], its["relative"], label=name, **line_style(place))
        axes.set(xlabel="singular value, by size", ylabel="relative to the largest", yscale="log")
        legend_below(figure, axes)

    return Drawing(table, draw)


def projection(subject: Subject) -> Drawing:
    """Item embeddings on two right singular vectors, coloured by how often items were bought in training."""
    parts = []
    for each, weights, name in _all(subject):
        vectors = item_vectors(each.run.run_dir, weights)
        tokens, bought = _items(each.run.run_dir), user_counts(each.run).of_items[1:]
        if len(bought) != len(vectors):
            raise UsageError(f"{each.run.run_dir} knows other items than {each.run.dataset} has now: train it again")
        x, y = plane(vectors).T
        parts.append(_labelled(name, weights, {"item": tokens, "popularity": bought, "x": x, "y": y}))
    table = pd.concat(parts, ignore_index=True)

    def draw(figure: Figure) -> None:
        from matplotlib.colors import LogNorm

        groups = list(table.groupby("run", sort=False))
        norm = LogNorm(max(1, table["popularity"].min()), max(2, table["popularity"].max()))
        axes = panels(figure, len(groups), width=4, height=3.6)
        for place, (name, its) in zip(axes, groups, strict=True):
            its = its.sort_values("popularity")  # popular ones on top
            dots = place.scatter(its["x"], its["y"], c=its["popularity"].clip(lower=1), norm=norm, s=5, cmap="viridis")
            place.set(title=name, aspect="equal", adjustable="datalim")
        figure.colorbar(dots, ax=axes, label="times bought in training", shrink=0.8)

    return Drawing(table, draw)


def plane(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Projects vectors to their first two right singular vectors, without centring.

    Args:
        vectors: [N, D], D at least 2.

    Returns:
        Coordinates, [N, 2]; the sign of each singular vector is chosen so that its largest component is positive.
    """
    _, _, right = np.linalg.svd(vectors, full_matrices=False)
    first = right[:2]
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1, keepdims=True), axis=1)
    return np.asarray(vectors @ (first * np.sign(largest)).T)


def item_vectors(folder: Path, weights: str) -> NDArray[np.float64]:
    """The item embeddings of a run, without those of padding and mask tokens.

    Args:
        folder: The run folder.
        weights: ``best`` or ``last``.

    Returns:
        [N, D].

    Raises:
        UsageError: If a file is missing, or the model has no such table.
    """
    from recbole_cl.trainer.checkpoint import load_checkpoint

    table = load_checkpoint(folder / WEIGHTS[weights])["state_dict"].get(_TABLE)
    if table is None:
        raise UsageError(f"{folder}: its model keeps no table of item vectors under the name item_embedding")
    return np.asarray(table[1 : len(_items(folder)) + 1].double().numpy())


def _items(folder: Path) -> list[str]:
    from recbole_cl.data.vocabulary import ITEMS_FILE, load_items

    return load_items(folder / ITEMS_FILE).tokens[1:]


def _all(subject: Subject) -> list[tuple[Named, str, str]]:
    """Every run with every requested kind of weights, and its name."""
    several = len(subject.weights) > 1
    return [(it, kind, f"{it.name}, {kind}" if several else it.name) for it in subject.runs for kind in subject.weights]


def _labelled(name: str, weights: str, columns: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    frame.insert(0, "run", name)
    frame.insert(1, "weights", weights)
    return frame
