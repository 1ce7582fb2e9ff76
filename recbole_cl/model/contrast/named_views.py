"""Views by name, from which methods and settings form pairs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from recbole_cl.batch import Batch, Rows
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.same_target import SameTarget
from recbole_cl.model.contrast.pairs import ViewPair, ViewPairs
from recbole_cl.model.contrastive import PLAIN, ContrastiveRecommender

DROPOUT, SAME_TARGET = "dropout", "same_target"
AUGMENTED = ("augmented_1", "augmented_2")
VIEWS = (*AUGMENTED, PLAIN, DROPOUT, SAME_TARGET)  # in encoding order


def hooks_of(names: Collection[str], partner: HookFactory = SameTarget) -> Mapping[str, HookFactory]:
    """The hooks that views need for each anchor.

    Args:
        names: Names of the views.
        partner: Draws the other row with the same target.
    """
    return {SAME_TARGET: partner} if SAME_TARGET in names else {}


def named_rows(names: Collection[str], batch: Batch, augmented: Sequence[Rows] = ()) -> dict[str, Rows]:
    """The rows of views, one for each anchor.

    * ``plain``: the unchanged anchors;
    * ``dropout``: the same, encoded again, with another dropout mask;
    * ``same_target``: other training rows with the anchors' targets;
    * ``augmented_1``, ``augmented_2``: augmented anchors.

    Args:
        names: Names of the views.
        batch: The batch, with the rows that ``hooks_of`` has drawn.
        augmented: The two augmented views, if one is named.

    Returns:
        Rows by name, in encoding order.
    """
    rows = dict(zip(AUGMENTED, augmented, strict=False)) | dict.fromkeys((PLAIN, DROPOUT), batch.anchors)
    if SAME_TARGET in names:
        rows[SAME_TARGET] = batch.rows(SAME_TARGET)
    return {name: rows[name] for name in VIEWS if name in names}


def encode_pairs(
    model: ContrastiveRecommender,
    batch: Batch,
    pairs: Mapping[str, tuple[str, str]],
    augmented: Sequence[Rows] = (),
    plain: bool = False,
) -> ViewPairs:
    """Encodes a batch, and the views of its anchors that terms compare.

    Args:
        model: Encodes them.
        batch: The batch, with the rows that ``hooks_of`` has drawn.
        pairs: The two views of each term, by the term's name.
        augmented: The two augmented views, if one is named.
        plain: Whether to return the encodings of the unchanged anchors in any case.

    Returns:
        The outputs, with one pair for each term.
    """
    names = {name for pair in pairs.values() for name in pair} | ({PLAIN} if plain else set())
    rows = named_rows(names, batch, augmented)
    hidden, z = model.encode_views(batch, rows)
    compared = {term: ViewPair(z[a], z[b], rows[b], batch.anchors) for term, (a, b) in pairs.items()}
    return ViewPairs(hidden, compared, z.get(PLAIN))
