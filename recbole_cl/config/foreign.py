"""Keys of RecBole's that have no effect here, and keys in a user's files that are meant for other programs."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from logging import getLogger
from typing import Any

from recbole_cl.config.common import OF_RECBOLES, WITHOUT_EFFECT
from recbole_cl.config.messages import shown
from recbole_cl.config.suggestions import ELSEWHERE
from recbole_cl.distributed.processes import local_place, started
from recbole_cl.errors import UsageError

_TYPO = 0.85  # from this similarity on, a key in a file is taken to be a misspelling of a known one


# Keys of RecBole's that affect no result, whatever their value, and the types of their values (None is allowed, too).
_IDLE_KINDS: dict[str, tuple[type, ...]] = {
    "worker": (int,),
    **dict.fromkeys(("save_dataset", "save_dataloaders", "enable_scaler"), (bool,)),
    **dict.fromkeys(("valid_metric_bigger", "kg_reverse_r"), (bool,)),
    **dict.fromkeys(("dataset_save_path", "dataloaders_save_path", "RATING_FIELD", "LABEL_FIELD"), (str,)),
    **dict.fromkeys(("NEG_PREFIX", "POSITION_FIELD", "entity_kg_num_interval", "relation_kg_num_interval"), (str,)),
    **dict.fromkeys(("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD"), (str,)),
    **dict.fromkeys(("RELATION_ID_FIELD", "ENTITY_ID_FIELD"), (str,)),
    "threshold": (dict,),
    "numerical_features": (list,),
}
_ONE_PROCESS = "torchrun starts the processes"
# Keys of the authors' code and of RecBole's script, which RecBole's Config does not read: key -> types, reason.
_OF_SCRIPTS: dict[str, tuple[tuple[type, ...], str]] = {
    "log_root": ((str,), "a run's log lies in its folder"),
    "train_from_scratch": ((bool,), "resume names the run to continue"),
    "world_size": ((int,), _ONE_PROCESS),
    "ip": ((str,), _ONE_PROCESS),
    "port": ((str, int), _ONE_PROCESS),
    "group_offset": ((int,), _ONE_PROCESS),
}
_USUAL = ("train_from_scratch", True)  # needs no message
_UNREAD = WITHOUT_EFFECT | OF_RECBOLES
HARMLESS: dict[str, str] = {
    **{key: _UNREAD[key].why for key in _IDLE_KINDS},
    **{key: why for key, (_, why) in _OF_SCRIPTS.items()},
}  # key -> why it has no effect


def drop_harmless(values: dict[str, Any], *, of_recbole: bool) -> None:
    """Removes RecBole's keys that have no effect, and logs one line for all of them.

    Args:
        values: What a file or the caller has set; modified in place.
        of_recbole: Whether the model is one of RecBole's own, some of which read keys that ours do not.

    Raises:
        UsageError: If a value asks for a number of processes that does not run; the message says how to start them.
    """
    if "nproc" in values and (processes := values.pop("nproc")) not in (1, local_place().size):
        _refuse_processes("nproc", processes, local_place().size)
    size = values.get("world_size")
    if type(size) is int and size > 1 and size != started().size:
        _refuse_processes("world_size", size, started().size)
    kept = {key for key, value in values.items() if key in _UNREAD and value == _UNREAD[key].idle}
    kept |= OF_RECBOLES.keys() if of_recbole else set()
    taken = [key for key in sorted((HARMLESS.keys() & values.keys()) - kept) if _is_harmless(key, values[key])]
    said = {key: values.pop(key) for key in taken}
    if unusual := [key for key, value in said.items() if value is not None and (key, value) != _USUAL]:
        words = "; ".join(f"{key} = {shown(said[key])} ({HARMLESS[key]})" for key in unusual)
        getLogger().warning(f"without effect here: {words}")


def _refuse_processes(key: str, asked: Any, there: int) -> None:
    how = f"torchrun --nproc_per_node={asked} run_recbole_cl.py ..." if key == "nproc" else "torchrun --nnodes=..."
    raise UsageError(f"{key} = {shown(asked)}: {there} runs here; start them by `{how}`, and leave {key} out")


def drop_foreign(
    source: str,
    values: dict[str, Any],
    known: Collection[str],
    ours: Callable[[], Collection[str]],
    *,
    keep: bool = False,
) -> None:
    """Ignores keys in a file that resemble no setting here, as RecBole does, and names them all in one line.

    Keys that look misspelt, or that are settings of another of our methods, stay and are refused later.

    Args:
        source: Name of the file.
        values: Its settings; modified in place.
        known: All accepted settings, older names included.
        ours: Reads the settings of all our methods; called only if something is unknown.
        keep: Whether to keep the ignored keys in ``values``, because the model's class may read any key.
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


def _is_harmless(key: str, value: Any) -> bool:
    kinds = _IDLE_KINDS[key] if key in _IDLE_KINDS else _OF_SCRIPTS[key][0]
    return value is None or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)))


def looks_misspelt(key: str, known: Collection[str]) -> bool:
    """Tells whether ignoring a key would mislead, because it is very similar to a known one or common elsewhere."""
    word = key.lower().replace("-", "_")
    folded = [name.lower() for name in known]
    return word in ELSEWHERE or word in folded or bool(difflib.get_close_matches(word, folded, n=1, cutoff=_TYPO))
