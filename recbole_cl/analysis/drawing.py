"""Drawing with matplotlib, without its global state: canvases, colours, and pictures as files or inside a page."""

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

# Okabe and Ito's colours, which the colour-blind can tell apart; then the same dashed.
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
    "svg.hashsalt": "recbole_cl",  # the same figure gives the same bytes
}
_INSIDE_A_PAGE = {"svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana"]}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_LEGEND_LINES = len(_COLOURS) * len(_STYLES)  # more can't be told apart
FORMATS = ("png", "svg")


def picture_bytes(draw: Draw, form: str) -> bytes:
    """A picture as a file's content.

    Args:
        draw: Draws it.
        form: ``png`` or ``svg``.

    Raises:
        UsageError: If matplotlib is not there.
    """
    return _saved(draw, form, {})


def inline_svg(draw: Draw) -> str:
    """A picture as an ``<svg>`` element for a page, its texts as texts.

    Args:
        draw: Draws it.

    Raises:
        UsageError: If matplotlib is not there.
    """
    text = _saved(draw, "svg", _INSIDE_A_PAGE).decode()
    return text[text.index("<svg") :].strip()


def panels(figure: Figure, count: int, width: float = 4.6, height: float = 3.2, columns: int = 2) -> list[Axes]:
    """Axes side by side, for which the figure is made large enough.

    Args:
        figure: An empty figure.
        count: How many.
        width: Of one, inches.
        height: Of one, inches.
        columns: How many stand side by side at most.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure.set_size_inches(width * columns, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for spare in axes[count:]:
        spare.remove()
    return list(axes[:count])


def line_style(place: int) -> dict[str, Any]:
    """Colour and dashes of the line number ``place``, from 0."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place // len(_COLOURS) % len(_STYLES)],
    }


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all axes, under them; none for a single line, or for more than can be told apart."""
    handles, labels = axes.get_legend_handles_labels()
    if 1 < len(labels) <= _LEGEND_LINES:
        widest = max(map(len, labels))
        columns = max(1, min(len(labels), int(figure.get_figwidth() * 12 / (widest + 6))))
        figure.legend(handles, labels, loc="outside lower left", ncols=columns)


def over_epochs(axes: Axes, label: str) -> None:
    """Names the axes of a figure over the epochs, which are whole numbers.

    Args:
        axes: The axes.
        label: What stands on the other one.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def epoch_colours(figure: Figure, axes: Sequence[Axes], last: int) -> ScalarMappable:
    """From green to red as training goes on, as in AdaptiveRec's figures, with the bar that tells the epochs.

    Args:
        figure: Gets the bar.
        axes: Beside which it stands.
        last: The last epoch.

    Returns:
        What gives an epoch's colour by ``to_rgba``.
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
        axes: Where.
        values: One list for each row.
        rows: Their names.
        columns: The columns' names.
    """
    import numpy as np

    matrix = np.ma.masked_invalid(np.asarray(values, dtype=float))
    axes.pcolormesh(matrix, cmap="viridis", edgecolors="white", linewidth=1)  # drawn, where imshow would embed an image
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
