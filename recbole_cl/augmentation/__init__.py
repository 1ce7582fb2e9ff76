"""Augmentations of item sequences: pure operators on a padded batch, and the draw of two views per row.

Rows are right padded: ``item_seq`` [B, L] holds the oldest item at column 0 and id 0 at and beyond ``seq_len`` [B].
An operator takes ``(item_seq, seq_len, generator)`` and its own keyword arguments, modifies none of them and returns a
``Rows`` of new tensors. It never waits for the device.
"""

from recbole_cl.augmentation.combine import draw_two_views
from recbole_cl.augmentation.correlated import insert, substitute
from recbole_cl.augmentation.crop import crop
from recbole_cl.augmentation.delete import delete
from recbole_cl.augmentation.mask import mask
from recbole_cl.augmentation.registry import OPERATORS, Operator, bind
from recbole_cl.augmentation.reorder import reorder

__all__ = [
    "OPERATORS",
    "Operator",
    "bind",
    "crop",
    "delete",
    "draw_two_views",
    "insert",
    "mask",
    "reorder",
    "substitute",
]
