"""Names that RecBole 1.2.1 uses and numpy has removed."""

from __future__ import annotations

import numpy as np

# Removed in numpy 1.24. numpy 2 defines some of these names again: those stay.
_REMOVED = {
    "bool": np.bool_,
    "int": np.int_,
    "float": np.float64,
    "complex": np.complex128,
    "object": np.object_,
    "str": np.str_,
    "long": np.int_,
    "unicode": np.str_,
}


def add_removed_names() -> None:
    """Adds ``np.float`` and the like, where they are missing."""
    for name, scalar in _REMOVED.items():
        if name not in vars(np):  # hasattr() would warn
            setattr(np, name, scalar)
