"""What a suite file may hold, and what is told of one that holds something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.suites.schema import read_suite, shipped_suites, suite_file
from tests.suites.conftest import WriteSuite, suite_of


def test_names_without_settings_may_be_a_list_and_other_keys_of_a_variant_are_settings() -> None:
    suite = suite_of(datasets=["a", "b"], variants={"SASRec": None, "UCL": {"model": "DuoRec", "contrast": "un"}})
    assert suite.datasets == {"a": {}, "b": {}} and suite.variants["SASRec"].settings == {}
    assert suite.variants["UCL"].model == "DuoRec" and suite.variants["UCL"].settings == {"contrast": "un"}


def test_all_mistakes_in_a_file_are_told_together(write_suite: WriteSuite) -> None:
    path = write_suite(seeds=[1, 1], variant={}, eval_history="kept", metrics=[])
    with pytest.raises(UsageError) as error:
        read_suite(path)
    for words in ("seeds", "unknown key variant: did you mean variants?", "eval_history = 'kept'", "metrics"):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"baseline": "DuoRec"}, "baseline = DuoRec"),
        ({"variants": {"SASRec": {"datasets": ["ml-1m"]}}}, "variants.SASRec.datasets has ml-1m"),
        ({"published": {"source": "x", "figures": {"cycle": {"SASRek": {"hit@5": 0.1}}}}}, "cycle has SASRek"),
        ({"published": {"source": "x", "figures": {"cycle": {"SASRec": {"hit@7": 0.1}}}}}, "cycle has hit@7"),
    ],
)
def test_names_that_lead_nowhere_are_told(write_suite: WriteSuite, values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match="no such dataset, variant or metric") as error:
        read_suite(write_suite(**values))
    assert words in str(error.value)


def test_a_suite_is_named_or_a_file() -> None:
    assert suite_file("quick") in shipped_suites() and suite_file("my/own.yaml") == Path("my/own.yaml")
    with pytest.raises(UsageError, match="no suite duorec-table3: did you mean duorec-table2"):
        suite_file("duorec-table3")
