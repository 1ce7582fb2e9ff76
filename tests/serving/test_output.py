"""Files of tables, when their writing is broken off."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from recbole_cl.serving.output import table_writer


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_interrupt_leaves_no_file_and_says_nothing(ending: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), table_writer(tmp_path / f"lists.{ending}") as write:
        write(pd.DataFrame({"user": ["u"], "rank": [1], "item": ["i"], "score": [0.5]}))
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())
