"""Generates the reference of settings: ``docs/settings.md`` and the tables on the methods' pages.

``python -m recbole_cl.config.reference docs`` writes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from recbole_cl.config.common import BatchKeys, CommonSettings, DataKeys, EvaluationKeys, RunKeys, TrainingKeys
from recbole_cl.config.listing import Described, described
from recbole_cl.config.models import own_models
from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.writing import atomic_write_text

_GROUPS = (RunKeys, TrainingKeys, BatchKeys, EvaluationKeys, DataKeys)
_SHARED = {  # a base class that has a preset file -> heading, and a method that extends it
    "EncoderRecommender": ("Training form, loss and encoder", "SASRec"),
    "ContrastiveRecommender": ("A second encoder, and diagnostics", "DuoRec"),
    "AugmentingRecommender": ("Operators", "CL4SRec"),
}
_INTRODUCTION = """\
# Settings

Every setting may be given on the command line (`--key=value`), in a YAML file of `--config_files`, or in
`run(key=value)`. From strong to weak: command line, `--config_files`, `props/experiment/<Model>-<dataset>.yaml`,
`<dataset>.yaml` next to the data, `props/dataset/`, `props/model/`, `props/overall.yaml`,
[RecBole's defaults](recbole_keys.md). `~` means none. A bad value, an unknown
flag or a key that looks misspelt is refused before training starts.

`recbole-cl models --settings DuoRec` prints the settings of one method. `recbole-cl schema` prints a JSON schema, with
which an editor can complete and check YAML files. This page is generated from the settings:
`python -m recbole_cl.config.reference docs`.

The settings of a single method are on its page: {methods}.
"""
_TABLE = re.compile(r"(<!-- settings of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page() -> str:
    """The page of all shared settings, in Markdown."""
    links = ", ".join(f"[{name}](methods/{name.lower()}.md)" for name in own_models())
    parts = [_INTRODUCTION.format(methods=links), "## Of every run\n"]
    common = {it.key: it for it in described("SASRec") if it.key in CommonSettings.model_fields}
    for group in _GROUPS:
        keys = [key for key in group.model_fields if key in common]
        parts += [f"### {(group.__doc__ or '').rstrip('.')}\n", _table(common[key] for key in keys), ""]
    parts.append("## Of all methods here\n")
    for base, (heading, example) in _SHARED.items():
        parts += [f"### {heading}\n", f"`props/model/{base}.yaml`\n", _table(_in_preset(base, example)), ""]
    return "\n".join(parts)


def with_table(text: str) -> str:
    """A method's page with its table of settings brought up to date.

    Args:
        text: The page. Its table, if it has one, lies between ``<!-- settings of NAME -->`` and ``<!-- end -->``.
    """
    return _TABLE.sub(lambda it: f"{it[1]}\n{_table(_in_preset(it[2], it[2]))}\n\n{it[3]}", text)


def _in_preset(cls: str, model: str) -> Iterator[Described]:
    """The settings in the preset file of a class, in the file's order, with the values of a model."""
    known = {it.key: it for it in described(model)}
    return (known[key] for key in read_settings(props_dir() / "model" / f"{cls}.yaml"))


def _table(settings: Iterable[Described]) -> str:
    lines = ["| setting | default | values | meaning |", "|---|---|---|---|"]
    for it in settings:
        default = "RecBole's" if it.default is None else f"`{it.default}`"
        meaning = ". ".join(filter(None, [it.about or it.symbol, f"Paper: {it.paper}" if it.paper else ""]))
        lines.append("| " + " | ".join(map(_cell, (f"`{it.key}`", default, it.range or "", meaning))) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def main(docs: Path) -> None:
    """Writes the page of settings, and the tables on the methods' pages.

    Args:
        docs: The folder of the pages.
    """
    atomic_write_text(docs / "settings.md", page())
    for path in sorted((docs / "methods").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (current := with_table(text)) != text:
            atomic_write_text(path, current)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
