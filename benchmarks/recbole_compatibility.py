"""How RecBole's own entry points work with its models and with ours, before and after ``register()``.

``python benchmarks/recbole_compatibility.py`` prints the table of docs/recbole_compatibility.md. The assertions of
RecBole's config tests, and scripts that use its quick_start, are checked in one process without the call and in another
with it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recbole_cl.testing.toy import TINY, write_cycle

COLUMNS = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
LEFT_OUT = {"distribution": "none", "sample_num": "none", "alpha": "none", "dynamic": False, "candidate_num": 0}
GIVEN = {"learning_rate": 0.2, "topk": [50, 100], "epochs": 100}
ARGS = "eval_args: {split: {LS: valid_and_test}, order: TO, mode: {valid: uni100, test: full}}\n"
FILE = "learning_rate: 0.1\ntopk: [5, 20]\n" + ARGS


def config_of(model: Any, **options: Any) -> Any:
    return import_module("recbole.config").Config(model=model, dataset="ml-100k", **options)


def expect(config: Any, **facts: Any) -> None:
    wrong = {key: config[key] for key, value in facts.items() if config[key] != value}
    assert not wrong, wrong


def config_defaults(model: str) -> None:
    config = config_of(model)
    kinds = {"gpu_id": str, "seed": int, "epochs": int, "learning_rate": float, "train_neg_sample_args": dict}
    kinds |= {"eval_args": dict, "metrics": list, "topk": list, "valid_metric": str}
    expect(config, model=model, dataset="ml-100k")
    assert all(isinstance(config[key], kind) for key, kind in kinds.items())


def config_context(model: str) -> None:
    expect(config_of(model), metrics=["AUC", "LogLoss"], valid_metric="AUC", train_neg_sample_args=LEFT_OUT)


def config_sequential(model: str) -> None:
    args = config_of(model, config_dict={"train_neg_sample_args": None})["eval_args"]
    assert (args["split"], args["order"], args["group_by"]) == ({"LS": "valid_and_test"}, "TO", "user")


def config_file(model: str) -> None:
    Path("given.yaml").write_text(FILE)
    config = config_of(model, config_file_list=["given.yaml"])
    expect(config, model=model, learning_rate=0.1, topk=[5, 20])
    assert config["eval_args"]["mode"] == {"valid": "uni100", "test": "full"}


def config_dict(model: str) -> None:
    expect(config_of(model, config_dict=dict(GIVEN)), model=model, **GIVEN)


def config_priority(model: str) -> None:
    Path("given.yaml").write_text(FILE)
    expect(config_of(model, config_file_list=["given.yaml"], config_dict=dict(GIVEN)), model=model, **GIVEN)


def settings(**more: Any) -> dict[str, Any]:
    data = {"data_path": "data", "checkpoint_dir": "saved"}
    return TINY | data | COLUMNS | {"epochs": 1, "metrics": ["Hit", "MRR"], "topk": [10]} | more


def quick_start(name: str) -> Any:
    return getattr(import_module("recbole.quick_start"), name)


def trains(model: Any, **more: Any) -> str:
    """Trains with ``run_recbole`` and loads the best checkpoint for the test; returns the path of that checkpoint."""
    folder = tempfile.mkdtemp(dir=".")
    result = quick_start("run_recbole")(model, "cycle", config_dict=settings(checkpoint_dir=folder, **more))
    assert 0 <= result["test_result"]["hit@10"] <= 1
    return str(next(Path(folder).glob("*.pth")))


def ours(name: str) -> type:
    return import_module("recbole_cl.config.models").model_class(name)


def loads_the_class(model: Any, cls: Any, **more: Any) -> None:
    loaded = quick_start("load_data_and_model")(trains(model, **more))
    assert type(loaded[1]) is cls, type(loaded[1])


def recommends() -> None:
    _, model, dataset, _, _, test = quick_start("load_data_and_model")(trains("DuoRec"))
    users = dataset.token2id("user_id", ["u1", "u2"])
    assert import_module("recbole.utils.case_study").full_sort_topk(users, model, test, 3)[1].shape == (2, 3)


def loads_our_run() -> None:
    run = import_module("recbole_cl").run
    its = {key: value for key, value in settings(valid_metric="MRR@10").items() if key != "load_col"}
    quick_start("load_data_and_model")(str(run("DuoRec", "cycle", **its).run_dir / "best.pth"))


def objective(model: str) -> None:
    quick_start("objective_function")(settings(model=model, dataset="cycle"))


def tunes(model: str) -> None:
    Path("fixed.yaml").write_text("\n".join(f"{k}: {v}" for k, v in settings(model=model, dataset="cycle").items()))
    tuning = import_module("recbole.trainer").HyperTuning
    space = {"choice": {"learning_rate": [0.01, 0.001]}}
    tuning(quick_start("objective_function"), params_dict=space, fixed_config_file_list=["fixed.yaml"]).run()


def refuses_negatives(model: str) -> None:
    """RecBole's default negatives are neither used as targets nor silently ignored."""
    negatives = {"distribution": "uniform", "sample_num": 1}
    try:
        trains(model, train_neg_sample_args=negatives)
    except ValueError as error:
        assert "train_neg_sample_args" in str(error)
        return
    raise AssertionError("trained on sampled negatives")


def checks() -> dict[str, Callable[[], object]]:
    recboles = {"train_neg_sample_args": None}
    return {
        "config: defaults, RecBole's BPR": lambda: config_defaults("BPR"),
        "config: defaults of context models, RecBole's FM": lambda: config_context("FM"),
        "config: defaults of sequential models, RecBole's SASRec": lambda: config_sequential("SASRec"),
        "config: file, RecBole's BPR": lambda: config_file("BPR"),
        "config: mapping, RecBole's BPR": lambda: config_dict("BPR"),
        "config: mapping above file, RecBole's BPR": lambda: config_priority("BPR"),
        "config: defaults, our DuoRec": lambda: config_defaults("DuoRec"),
        "config: defaults of sequential models, our DuoRec": lambda: config_sequential("DuoRec"),
        "config: file, our DuoRec": lambda: config_file("DuoRec"),
        "config: mapping, our DuoRec": lambda: config_dict("DuoRec"),
        "config: mapping above file, our DuoRec": lambda: config_priority("DuoRec"),
        "run_recbole: RecBole's SASRec by name": lambda: trains("SASRec", **recboles),
        "run_recbole: our DuoRec by name": lambda: trains("DuoRec"),
        "run_recbole: our DuoRec by class": lambda: trains(ours("DuoRec")),
        "run_recbole: our SASRec by class, and not RecBole's": lambda: loads_the_class(ours("SASRec"), ours("SASRec")),
        "run_recbole: sampled negatives refused": lambda: refuses_negatives("DuoRec"),
        "load_data_and_model: RecBole's GRU4Rec": lambda: loads_the_class("GRU4Rec", ours("GRU4Rec"), **recboles),
        "load_data_and_model: a run folder of ours": loads_our_run,
        "full_sort_topk: our DuoRec": recommends,
        "objective_function: our CL4SRec": lambda: objective("CL4SRec"),
        "HyperTuning: our DuoRec": lambda: tunes("DuoRec"),
    }


def outcomes(register: bool) -> dict[str, str]:
    """The result of each check in this process: "pass", or the error."""
    if register:
        import_module("recbole_cl").register()
    found = {}
    for name, check in checks().items():
        if name.startswith("HyperTuning") and not find_spec("hyperopt"):
            found[name] = "not run: no hyperopt"
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                check()
            found[name] = "pass"
        except Exception as error:  # noqa: BLE001 - anything that a user could see
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:70]}"
    return found


def in_a_process(register: bool) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        write_cycle(Path(folder, "data"))
        root = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        code = f"import json, runpy; found = runpy.run_path({__file__!r})['outcomes']({register}); "
        code += "open('found.json', 'w').write(json.dumps(found))"
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
        found: dict[str, str] = json.loads(Path(folder, "found.json").read_text())
        return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    before, after = in_a_process(False), in_a_process(True)
    print("| check | before | after |\n|---|---|---|")
    for name in before:
        print(f"| {name} | {before[name]} | {after[name]} |")
    for label, found in (("before", before), ("after", after)):
        print(f"\n{label}: {sum(it == 'pass' for it in found.values())} of {len(found)} pass")


if __name__ == "__main__":
    main()
