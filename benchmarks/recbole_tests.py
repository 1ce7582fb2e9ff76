"""The assertions of RecBole's own tests of models, settings and evaluation, each as a run of this package.

``python benchmarks/recbole_tests.py`` prints one line for each, and the counts in docs/recbole_compatibility.md. If
``PYTHONPATH`` points to an older checkout, the same runs test that version.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recbole_cl import run
from recbole_cl.errors import UsageError

SIZES = {"few": (100, 120), "many": (500, 480)}  # users and items; NCEPLRec factorises to rank 450
LENGTH = 12
NONE: dict[str, Any] = {"train_neg_sample_args": None}
DYNAMIC = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": True, "candidate_num": 2}
SHORT, EXACT = {"MAX_ITEM_LIST_LENGTH": 3}, {"reproducibility": False}
CASER = EXACT | {"MAX_ITEM_LIST_LENGTH": 10}
BPR = {"loss_type": "BPR"}
# RecBole's names for its models of which we have our own versions.
THEIRS = {"SASRec": "recbole:SASRec", "BERT4Rec": "recbole:BERT4Rec"}

GENERAL: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("Pop", "Random", "BPR", "NeuMF", "ConvNCF", "DMF", "FISM", "NAIS", "SpectralCF", "GCMC")),
    *((name, {}) for name in ("NGCF", "LightGCN", "DGCF", "LINE", "EASE", "NNCF", "SLIMElastic", "SGL", "ADMMSLIM")),
    *((name, {"knn_method": method}) for name in ("ItemKNN", "AsymKNN") for method in ("item", "user")),
    *((name, NONE) for name in ("MultiDAE", "MultiVAE", "ENMF", "MacridVAE", "CDAE", "RecVAE")),
    *(("SimpleX", {"aggregator": way}) for way in ("mean", "user_attention", "self_attention")),
    ("BPR", {"train_neg_sample_args": DYNAMIC}),
    ("DMF", {"inter_matrix_type": "rating"}),
    ("FISM", {"split_to": 10, "alpha": 0.5}),
    ("NAIS", {"algorithm": "concat", "split_to": 10, "alpha": 0.5, "beta": 0.1}),
    ("GCMC", {"accum": "stack", "sparse_feature": False}),
    ("NCEPLRec", {}),
    ("NCL", {"num_clusters": 100}),
    *((name, {"time-aware": aware}) for name in ("DiffRec", "LDiffRec") for aware in (False, True)),
]
SEQUENTIAL: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("DIN", "DIEN", "FPMC", "TransRec", "RepeatNet")),
    *((name, NONE) for name in ("GRU4Rec", "GRU4RecCPR", "NARM", "STAMP", "SASRec", "SASRecCPR", "HRM", "NPE", "HGN")),
    *((name, NONE) for name in ("FOSSIL", "LightSANs", "SINE", "FEARec")),
    *((name, BPR) for name in ("GRU4Rec", "NARM", "STAMP", "HRM", "NPE", "HGN", "LightSANs", "SINE")),
    *((name, NONE | more) for name in ("GRU4RecF", "SASRecF", "FDSA") for more in ({}, {"pooling_mode": "max"})),
    *((name, NONE | {"pooling_mode": "sum"}) for name in ("GRU4RecF", "SASRecF", "FDSA")),
    *(("Caser", CASER | more) for more in (NONE, BPR)),
    *(("NextItNet", EXACT | more) for more in (NONE, BPR)),
    *(("SASRec", BPR | {"hidden_act": act}) for act in ("relu", "sigmoid")),
    *((name, SHORT | NONE) for name in ("SRGNN", "GCSAN")),
    ("SRGNN", SHORT | BPR),
    ("GCSAN", SHORT | BPR | {"hidden_act": "tanh"}),
    *(("SHAN", {"transform": "inverse_itemseq"} | more) for more in (NONE, BPR)),
    ("BERT4Rec", NONE | {"transform": "mask_itemseq"}),
    ("BERT4Rec", BPR | {"hidden_act": "swish", "transform": "mask_itemseq"}),
    ("SINE", NONE | {"loss_type": "NLL"}),
    *(("CORE", NONE | {"dnn_type": kind}) for kind in ("trm", "ave")),
]
AT_3 = {"topk": 3, "valid_metric": "Recall@3"}
ACCURACY = ["Recall", "MRR", "NDCG", "Hit", "Precision"]
LOSSES = {"metrics": ["MAE", "RMSE", "LOGLOSS", "AUC"], "valid_metric": "auc"}
RATIO = {"RS": [0.8, 0.1, 0.1]}
# RecBole's test_overall: a test passes if BPR runs with each of its values.
OVERALL: dict[str, list[dict[str, Any]]] = {
    "gpu_id": [{"gpu_id": it} for it in ("0", "-1", "1")],
    "use_gpu": [{"use_gpu": it} for it in (True, False)],
    "reproducibility": [{"reproducibility": it} for it in (True, False)],
    "seed": [{"seed": it} for it in (2021, 1024)],
    "epochs": [{"epochs": it} for it in (0, 1, 2)],
    "train_batch_size": [{"train_batch_size": it} for it in (1, 2048, 200_000)],
    "learner": [{"learner": it} for it in ("adam", "sgd", "foo")],
    "learning_rate": [{"learning_rate": it} for it in (0, 0.001, 1e-5)],
    "neg_sampling": [{"neg_sampling": {"uniform": it}} for it in (1, 2, 3)],
    "eval_step": [{"eval_step": it, "epochs": 5} for it in (1, 2)],
    "stopping_step": [{"stopping_step": it, "epochs": 3} for it in (0, 1, 2)],
    "checkpoint_dir": [{"checkpoint_dir": it} for it in ("saved_1/", "./saved_2")],
    "eval_batch_size": [{"eval_batch_size": it} for it in (1, 100)],
    "topk": [{"topk": it, "metrics": ACCURACY, "valid_metric": "Recall@1"} for it in (1, [1, 3])],
    "loss": [{"topk": 1, "eval_args": {"split": RATIO, "order": "RO", "mode": "uni100"}} | LOSSES],
    "metric": [{"metrics": it} | AT_3 for it in ("Recall", ACCURACY)],
    "split_ratio": [{"eval_args": {"split": {"RS": it}}} for it in ([0.8, 0.1, 0.1], [16, 2, 2])],
    "group_by_user": [{"eval_args": {"split": RATIO, "group_by": it}} for it in ("user", "None")],
    "use_mixed_precision": [{"enable_amp": it} for it in (True, False)],
    "use_grad_scaler": [{"enable_scaler": it} for it in (True, False)],
}
# RecBole's evaluation_setting, by order, split and mode.
SPLITS: dict[str, dict[str, Any]] = {"LS": {"LS": "valid_and_test"}, "RS": RATIO}
SETTINGS = ["RO_LS,full", "TO_LS,full", "TO_RS,full", "RO_RS,uni100", "TO_LS,uni100", "RO_LS,uni100", "TO_RS,uni100"]


def write_data(folder: Path, name: str) -> None:
    """Random interactions with ratings, and random items with classes and years."""
    n_users, n_items = SIZES[name]
    draw = np.random.default_rng(0)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(n_users):
        items = draw.choice(n_items, LENGTH, replace=False)
        lines += [f"u{user}\ti{item}\t{draw.integers(1, 6)}\t{step}" for step, item in enumerate(items)]
    kinds = ["item_id:token\tclass:token_seq\trelease_year:token"]
    kinds += [f"i{item}\tc{item % 7} d{item % 3}\t{1990 + item % 20}" for item in range(n_items)]
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")
    (folder / name / f"{name}.item").write_text("\n".join(kinds) + "\n")


def facts() -> Iterator[tuple[str, str, str, list[dict[str, Any]]]]:
    """File of RecBole's tests, name of the test, model, and the settings of each of its runs."""
    for file, models in (("test_model_auto, sequential", SEQUENTIAL), ("test_model_auto, general", GENERAL)):
        for model, more in models:
            told = ", ".join(f"{key}={value}" for key, value in more.items() if value is not None)
            yield file, f"{model} {told}".strip(), THEIRS.get(model, model), [more]
    for key, values in OVERALL.items():
        yield "test_overall", key, "BPR", values
    for setting in SETTINGS:
        how, mode = setting.split(",")
        order, split = how.split("_")
        args = {"eval_args": {"order": order, "split": SPLITS[split], "mode": mode}}
        for model in ("BPR", "NeuMF", "FISM", "LightGCN"):
            yield "evaluation_setting", f"{setting} {model}", model, [args]
    args = {"eval_args": {"order": "TO", "split": SPLITS["LS"], "mode": "uni100"}}
    for model, more in (("FPMC", {}), ("SASRec", {}), ("GRU4RecF", {}), ("Caser", CASER)):
        yield "evaluation_setting", f"TO_LS,uni100 {model}", THEIRS.get(model, model), [args | more]


def outcome(model: str, data: str, runs: list[dict[str, Any]], given: dict[str, Any]) -> str:
    """``pass``, or the reason why the first failing run fails."""
    for more in runs:
        try:
            run(model, data, **given | more)
        except UsageError as error:
            return f"refused: {error}"
        except Exception as error:  # noqa: BLE001 - anything that a user could see
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only facts whose file or name holds this")
    only = parser.parse_args().only
    counts: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for data in SIZES:
            write_data(Path(folder), data)
        given: dict[str, Any] = {"data_path": folder, "checkpoint_dir": f"{folder}/saved", "epochs": 1}
        given |= {"show_progress": False, "use_gpu": False, "state": "ERROR", "train_batch_size": 256}
        columns = {"inter": ["user_id", "item_id", "rating", "timestamp"], "item": ["item_id", "class", "release_year"]}
        given |= {"MAX_ITEM_LIST_LENGTH": LENGTH, "load_col": columns}
        for file, name, model, runs in facts():
            if only in f"{file} {name}":
                data = "many" if model == "NCEPLRec" else "few"
                found = outcome(model, data, runs, given)
                counts.setdefault(file, []).append(found == "pass")
                print(f"| {file} | {name} | {found[:160]} |", flush=True)
    for file, passed in counts.items():
        print(f"\n{file}: {sum(passed)} of {len(passed)} pass")


if __name__ == "__main__":
    main()
