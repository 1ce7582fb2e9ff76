"""Drawing with matplotlib without its global state: canvases, colours, and pictures in files or in a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from recbole_cl.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Draw = Callable[["Figure"], None]
"""Draws on an empty figure, and may change its size."""

# Okabe and Ito's colours, which colour-blind people can distinguish; then the same colours with dashes.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
_STYLES = ("-", "--", ":")
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "recbole_cl",  # equal figures give equal bytes
}
_INSIDE_A_PAGE = {"svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana"]}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_LEGEND_LINES = len(_COLOURS) * len(_STYLES)  # more lines cannot be distinguished
FORMATS = ("png", "svg")


def picture_bytes(draw: Draw, form: str) -> bytes:
    """A picture as a file's content.

    Args:
        draw: Draws the figure.
        form: ``png`` or ``svg``.

    Raises:
        UsageError: If matplotlib is not installed.
    """
    return _saved(draw, form, {})


def inline_svg(draw: Draw) -> str:
    """A picture as an ``<svg>`` element for a page, with texts as text.

    Args:
        draw: Draws the figure.

    Raises:
        UsageError: If matplotlib is not installed.
    """
    text = _saved(draw, "svg", _INSIDE_A_PAGE).decode()
    return text[text.index("<svg") :].strip()


def panels(figure: Figure, count: int, width: float = 4.6, height: float = 3.2, columns: int = 2) -> list[Axes]:
    """Axes side by side in a figure, which is enlarged to hold them.

    Args:
        figure: An empty figure.
        count: Number of axes.
        width: Width of each, in inches.
        height: Height of each, in inches.
        columns: Maximum number of axes in one row.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure.set_size_inches(width * columns, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for spare in axes[count:]:
        spare.remove()
    return list(axes[:count])


def line_style(place: int) -> dict[str, Any]:
    """Colour and dashes of line number ``place``, from 0."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place // len(_COLOURS) % len(_STYLES)],
    }


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend below all axes; none for a single line, or for more lines than can be distinguished."""
    handles, labels = axes.get_legend_handles_labels()
    if 1 < len(labels) <= _LEGEND_LINES:
        widest = max(map(len, labels))
        columns = max(1, min(len(labels), int(figure.get_figwidth() * 12 / (widest + 6))))
        figure.legend(handles, labels, loc="outside lower left", ncols=columns)


def over_epochs(axes: Axes, label: str) -> None:
    """Labels the axes of a figure over epochs, which are integers.

    Args:
        axes: The axes.
        label: Label of the other axis.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def epoch_colours(figure: Figure, axes: Sequence[Axes], last: int) -> ScalarMappable:
    """Colours from green to red over the epochs, as in AdaptiveRec's figures, with a colour bar for the epochs.

    Args:
        figure: Receives the colour bar.
        axes: The axes to place it next to.
        last: The last epoch.

    Returns:
        An object whose ``to_rgba`` gives an epoch's colour.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    colours = ScalarMappable(Normalize(0, max(1, last)), "RdYlGn_r")
    figure.colorbar(colours, ax=axes, label="epoch", ticks=MaxNLocator(integer=True))
    return colours


def heat_map(axes: Axes, values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> None:
    """A matrix with its values written in; cells of NaN stay empty.

    Args:
        axes: Axes to draw on.
        values: One list for each row.
        rows: Names of the rows.
        columns: Names of the columns.
    """
    import numpy as np

    matrix = np.ma.masked_invalid(np.asarray(values, dtype=float))
    axes.pcolormesh(matrix, cmap="viridis", edgecolors="white", linewidth=1)  # imshow would embed a bitmap
    axes.grid(False)
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=30 if max(map(len, columns)) > 6 else 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    middle = (matrix.max() + matrix.min()) / 2
    for (row, column), value in np.ndenumerate(matrix.filled(np.nan)):
        if not np.isnan(value):
            colour = "black" if value > middle else "white"
            axes.text(column + 0.5, row + 0.5, f"{value:.4f}", ha="center", va="center", color=colour)


def _saved(draw: Draw, form: str, style: dict[str, Any]) -> bytes:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib: pip install 'recbole_cl[plot]'") from None
    with rc_context({**_STYLE, **style}):
        figure = Figure()
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, dpi=160, metadata=_NO_METADATA if form == "svg" else None)
    return buffer.getvalue()
