"""A toy dataset that every model can learn: users walk along a circle of items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Settings of a model that trains in a second or two, and of one wide enough to memorise the circle.
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "inner_size": 32,
    "MAX_ITEM_LIST_LENGTH": 8,
    "show_progress": False,
    "use_gpu": False,
}
SMALL = TINY | {"hidden_size": 32, "inner_size": 64}

N_ITEMS, N_USERS = 20, 80


def write_cycle(folder: Path, name: str = "cycle", n_users: int = N_USERS) -> dict[str, str]:
    """Writes the atomic file of users who go through the items of a circle one by one.

    Args:
        folder: Folder in which the dataset's folder is made.
        name: The dataset's name.
        n_users: How many users there are.

    Returns:
        Settings with which a run reads it and stores its results next to it.
    """
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(n_users):
        length = 5 + user % 12
        lines += [f"u{user}\ti{(user + step) % N_ITEMS}\t{step}" for step in range(length)]
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
