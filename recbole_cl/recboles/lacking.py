"""Checks whether a run has everything that its RecBole model needs: columns, libraries, a device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from recbole_cl.config.config import Config
from recbole_cl.config.recboles import item_columns, trained_by_recbole
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.errors import UsageError

_LIBRARIES = {"NCL": "faiss", "LDiffRec": "kmeans_pytorch"}


def refuse_lacking(config: Config, train: ContrastiveDataset) -> None:
    """Refuses a run whose model lacks something, before anything is built.

    Raises:
        UsageError: The message names what is missing.
    """
    model = config["model"]
    library = _LIBRARIES.get(model)
    if library and (model != "LDiffRec" or config["n_cate"] != 1) and find_spec(library) is None:
        raise UsageError(f"{model} needs the library {library}, which is not installed: pip install {library}")
    if model == "NCL" and config["device"].type != "cuda":
        raise UsageError("NCL needs a GPU: it clusters by faiss there; choose another model, such as SGL")
    columns = item_columns(config.settings_dict())
    if missing := [column for column in columns if column not in train.field2type]:
        raise UsageError(
            f"{model} needs {', '.join(missing)} of {config['dataset']}.item, which is not loaded: add it to "
            "load_col, or name existing columns (selected_features, item_attribute)"
        )
    floats = [column for column in columns if train.field2type[column].value.startswith("float")]
    if unnamed := [column for column in floats if column not in config["numerical_features"]]:
        raise UsageError(f"{model} reads numbers only from numerical_features: add {', '.join(unnamed)} to them")
    vectors = [column for column in columns if train.field2type[column].value == "float_seq"]
    if vectors and model == "SASRecF":  # it counts the numbers of a vector as so many columns
        raise UsageError(
            f"SASRecF fails with vectors, as {', '.join(vectors)}: leave them out, or use GRU4RecF or FDSA"
        )
    if trained_by_recbole(config):
        _refuse_ours_alone(config)


@contextmanager
def libraries_of_recbole() -> Iterator[None]:
    """While a model is built, restores a method of scipy's matrices that graph models call and scipy has removed.

    Warnings of newer libraries that concern only RecBole's authors are hidden.
    """
    from scipy.sparse import dok_matrix

    matrix: Any = dok_matrix
    lacks = not hasattr(matrix, "_update")
    if lacks:
        matrix._update = lambda self, entries: self._dict.update(entries)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if lacks:
            del matrix._update


def _refuse_ours_alone(config: Config) -> None:
    """Refuses settings of our trainer that RecBole's trainer does not know."""
    for key, idle in (("ema_decay", 0), ("enable_amp", False)):
        if config[key] != idle:
            told = f"{config['model']} trains with RecBole's trainer, which lacks this setting"
            raise UsageError(f"{key} = {config[key]}: {told}; set it to {idle}")
