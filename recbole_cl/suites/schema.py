"""The content of a suite file, and how it is read."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recbole_cl.config.presets import read_settings
from recbole_cl.config.schema import Distinct
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import HistorySetting

Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Metric = Annotated[str, AfterValidator(str.lower)]
_SUFFIXES = (".yaml", ".yml")


class Variant(BaseModel):
    """One line of a suite's table: a model and its settings. Any other key is a setting.

    Attributes:
        model: Name or dotted path; None if the variant has the model's name.
        config_files: YAML files, which override the suite's settings.
        sweeps: Setting -> values, one run each. Several settings are swept one after the other; settings in one key,
            separated by commas, are swept together.
        datasets: The suite's datasets that it is run on; None for all.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    model: str | None = None
    config_files: list[str] = []
    sweeps: dict[str, Annotated[list[Any], MinLen(1)]] = {}
    datasets: list[str] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Its own settings."""
        return dict(self.model_extra or {})


class Published(BaseModel):
    """Results that others have published.

    Attributes:
        source: Where they are published.
        figures: Dataset -> variant -> metric -> value.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    source: str
    figures: dict[str, dict[str, dict[Metric, float]]]


class Suite(BaseModel):
    """A suite: each variant on each dataset with each seed.

    From weak to strong: ``config_files``, ``settings``, settings of the dataset, of the variant, the swept value, and
    settings of the command line. All except the variant's own apply only to models that know them.

    Attributes:
        title: What it measures.
        about: What else a reader of its table must know.
        eval_history: ``keep`` or ``remove``: the protocol of early stopping and of the table.
        datasets: Dataset -> settings for it; a list if there are none.
        seeds: Each run is done once with each of these.
        config_files: YAML files for all runs.
        settings: Settings for all runs.
        variants: Name -> variant.
        metrics: Columns of the table.
        baseline: The variant that significance is tested against; None for SASRec, or else the first variant.
        published: Published figures to compare ours with.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    title: str
    about: str = ""
    eval_history: HistorySetting
    datasets: Annotated[dict[str, dict[str, Any]], MinLen(1)]
    seeds: Annotated[list[Seed], MinLen(1), Distinct()]
    config_files: list[str] = []
    settings: dict[str, Any] = {}
    variants: Annotated[dict[str, Variant], MinLen(1)]
    metrics: Annotated[list[Metric], MinLen(1)] = Field(default=["hit@5", "hit@10", "ndcg@5", "ndcg@10"])
    baseline: str | None = None
    published: Published | None = None

    @field_validator("datasets", "variants", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Converts a list of names to names without settings, and an empty value after a name to no settings."""
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            value = dict.fromkeys(value)
        return {key: {} if it is None else it for key, it in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names_fit(self) -> Suite:
        """Checks that names within the file exist."""
        wrong = [f"baseline = {self.baseline}" for _ in (1,) if self.baseline not in (None, *self.variants)]
        for name, variant in self.variants.items():
            wrong += [f"variants.{name}.datasets has {it}" for it in variant.datasets or () if it not in self.datasets]
        for dataset, lines in (self.published.figures if self.published else {}).items():
            wrong += [] if dataset in self.datasets else [f"published.figures has {dataset}"]
            for line, figures in lines.items():
                known = line in self.variants or line.rpartition(" (")[0] in self.variants
                wrong += [] if known else [f"published.figures.{dataset} has {line}"]
                wrong += [f"published.figures.{dataset} has {it}" for it in figures if it not in self.metrics]
        if wrong:
            raise ValueError(f"{', '.join(dict.fromkeys(wrong))}: no such dataset, variant or metric in the suite")
        return self


def suite_file(name: str) -> Path:
    """The file of a given name.

    Args:
        name: A YAML file, or the name of a suite that comes with the package.

    Raises:
        UsageError: If there is none.
    """
    if name.endswith(_SUFFIXES):
        return Path(name)
    shipped = {path.stem: path for path in shipped_suites()}
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(shipped)}, or"
        raise UsageError(f"no suite {name}: {hint} give a YAML file, whose name ends in .yaml")
    return shipped[name]


def shipped_suites() -> list[Path]:
    """The suites that come with the package: inside it, or next to it in a source tree."""
    package = Path(__file__).resolve().parent
    for folder in (package / "files", package.parents[1] / "suites"):
        if found := sorted(folder.glob("*.yaml")):
            return found
    raise UsageError(f"{package} has no suites: install the package again")


def read_suite(path: Path) -> Suite:
    """Reads a suite file.

    Raises:
        UsageError: The message lists everything that is wrong in it, except settings, which ``plan`` checks.
    """
    values = read_settings(path)
    try:
        return Suite.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(_problems(error, values))}") from None


def _problems(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    found = []
    for each in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        if each["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place, Suite.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(Suite.model_fields)}"
            found.append(f"unknown key {place}: {hint}")
        elif each["type"] == "missing":
            found.append(f"{place} is missing")
        else:
            words = each["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            found.append(f"{place} = {each['input']!r}: expected {words}" if place else words)
    return found
