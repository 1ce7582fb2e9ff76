"""Keys of RecBole's that change nothing here, and keys in a user's files that are for other programs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from logging import getLogger
from typing import Any, NamedTuple

from recbole_cl.config.messages import shown
from recbole_cl.config.suggestions import ELSEWHERE
from recbole_cl.errors import UsageError

_TYPO = 0.85  # from this likeness on, a key in a file is taken for a misspelt one


class Harmless(NamedTuple):
    """A key of RecBole's that decides no figure, whatever its value.

    Attributes:
        kinds: Types of its values; None passes, too.
        why: Why it makes no difference.
    """

    kinds: tuple[type, ...]
    why: str


_HERE, _ANEW = "batches are made in the training process", "every run reads its data anew"
_LABELS, _GRAPH = "interactions have no labels here", "no knowledge graph is read"
_FEATURES = "no features are read"

HARMLESS: dict[str, Harmless] = {
    "worker": Harmless((int,), _HERE),
    "save_dataset": Harmless((bool,), _ANEW),
    "save_dataloaders": Harmless((bool,), _ANEW),
    "dataset_save_path": Harmless((str,), _ANEW),
    "dataloaders_save_path": Harmless((str,), _ANEW),
    "enable_scaler": Harmless((bool,), "enable_amp means bfloat16, which needs no scaling"),
    "valid_metric_bigger": Harmless((bool,), "valid_metric tells"),
    "NEG_PREFIX": Harmless((str,), "the loader draws no negatives"),
    "POSITION_FIELD": Harmless((str,), "models count positions themselves"),
    "LABEL_FIELD": Harmless((str,), _LABELS),
    "threshold": Harmless((dict,), _LABELS),
    "numerical_features": Harmless((list,), _FEATURES),
    **dict.fromkeys(
        ("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD", "ENTITY_ID_FIELD"),
        Harmless((str,), _GRAPH),
    ),
    "kg_reverse_r": Harmless((bool,), _GRAPH),
    "entity_kg_num_interval": Harmless((str,), _GRAPH),
    "relation_kg_num_interval": Harmless((str,), _GRAPH),
    # of the authors' code, of which RecBole itself reads nothing
    "log_root": Harmless((str,), "a run's log lies in its folder"),
    "train_from_scratch": Harmless((bool,), "resume names the run to go on with"),
    # of RecBole's script, not of its Config
    "world_size": Harmless((int,), "a run is one process"),
    "ip": Harmless((str,), "a run is one process"),
    "port": Harmless((str, int), "a run is one process"),
    "group_offset": Harmless((int,), "a run is one process"),
}

# Values that mean something to RecBole which is done otherwise here: key and value -> reason and way.
_OTHERWISE: dict[tuple[str, Any], str] = {
    ("eval_step", 0): "RecBole validates no epoch then and tests the last one; here the best one is tested: set it to "
    "epochs to validate once, at the end",
}


def drop_harmless(values: dict[str, Any]) -> None:
    """Takes out RecBole's keys that change nothing, and says so once for all of them.

    Args:
        values: What a file or the caller has set; written to.

    Raises:
        UsageError: If a value means to RecBole what is done otherwise here; it says how.
    """
    for key, value in values.items():
        if not isinstance(value, bool | list | Mapping) and (reason := _OTHERWISE.get((key, value))):
            raise UsageError(f"{key} = {shown(value)}: {reason}")
    if "nproc" in values and (processes := values.pop("nproc")) != 1:
        raise UsageError(f"nproc = {shown(processes)}: a run is one process; leave it out")
    said = {key: values.pop(key) for key in HARMLESS.keys() & values.keys() if _is_harmless(key, values[key])}
    said = {key: value for key, value in said.items() if value not in (None, False, 0, [], "")}
    if unusual := sorted(key for key, value in said.items() if value != _AS_ALWAYS.get(key)):
        words = "; ".join(f"{key} = {shown(said[key])} ({HARMLESS[key].why})" for key in unusual)
        getLogger().warning(f"without effect here: {words}")


def drop_foreign(
    source: str,
    values: dict[str, Any],
    known: Collection[str],
    ours: Callable[[], Collection[str]],
    *,
    keep: bool = False,
) -> None:
    """Passes over keys in a file that no setting here resembles, as RecBole does, and names them all in one line.

    Those that look misspelt, or are settings of another method of ours, stay, to be refused.

    Args:
        source: Name of the file.
        values: Its settings; written to.
        known: All settings that are taken, older names included.
        ours: Reads the settings of all methods of ours; called only if something is unknown.
        keep: Whether to leave them in all the same: the model's class may read any key.
    """
    unknown = [str(key) for key in values if key not in known]
    if not unknown:
        return
    claimed = set() if keep else ours()
    foreign = [key for key in unknown if key not in claimed and not looks_misspelt(key, known)]
    if foreign and keep:
        getLogger().info(f"{source}: left to the model's class: {', '.join(foreign)}")
    elif foreign:
        getLogger().warning(f"{source}: nothing here reads {', '.join(foreign)}")
        for key in foreign:
            del values[key]


# The values in files that write RecBole's defaults out: nothing is said of them.
_AS_ALWAYS: dict[str, Any] = {
    "valid_metric_bigger": True,
    "train_from_scratch": True,
    "NEG_PREFIX": "neg_",
    "POSITION_FIELD": "position_id",
    "LABEL_FIELD": "label",
    "HEAD_ENTITY_ID_FIELD": "head_id",
    "TAIL_ENTITY_ID_FIELD": "tail_id",
    "RELATION_ID_FIELD": "relation_id",
    "ENTITY_ID_FIELD": "entity_id",
    "entity_kg_num_interval": "[0,inf)",
    "relation_kg_num_interval": "[0,inf)",
}


def _is_harmless(key: str, value: Any) -> bool:
    kinds = HARMLESS[key].kinds
    return value is None or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)))


def looks_misspelt(key: str, known: Collection[str]) -> bool:
    """Tells whether a key is so like a known one, or so usual elsewhere, that passing over it would mislead."""
    word = key.lower().replace("-", "_")
    folded = [name.lower() for name in known]
    return word in ELSEWHERE or word in folded or bool(difflib.get_close_matches(word, folded, n=1, cutoff=_TYPO))
