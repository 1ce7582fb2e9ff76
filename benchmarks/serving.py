"""Recommendations for many users: seconds and peak memory; and a run exported as a package and as an ONNX file.

For the latter: latency of a request, loading time of the package, and number of users who get the run's own lists.

python benchmarks/serving.py --users 100000 --items 100000
python benchmarks/serving.py --run saved/<run>
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_cl.data.vocabulary import Vocabulary
from recbole_cl.ragged import offsets
from recbole_cl.serving.histories import Histories
from recbole_cl.serving.output import frame_of, table_writer
from recbole_cl.serving.recommending import Exclusion, Recommender
from recbole_cl.serving.scorer import ScorerSettings, SequenceScorer

SIZES = {"n_layers": 2, "n_heads": 2, "hidden_size": 64, "inner_size": 256, "layer_norm_eps": 1e-12}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}


def many_users(n_users: int, n_items: int, k: int) -> dict[str, float]:
    """Writes lists for synthetic users with untrained weights, which takes as long as with trained ones."""
    generator = torch.Generator().manual_seed(1)
    sizes = SIZES | NO_DROPOUT | {"max_seq_length": 50}
    scorer = SequenceScorer(ScorerSettings("transformer", sizes, n_items + 1, None)).eval()
    length = (5 + torch.empty(n_users).exponential_(0.15, generator=generator)).long()  # 11 on average
    flat = torch.randint(1, n_items + 1, (int(length.sum()),), generator=generator)
    first = offsets(length)
    names = [f"u{i}" for i in range(n_users)]
    histories = Histories(names, torch.zeros(n_users, dtype=torch.long), flat, first, first + length)
    items = Vocabulary([f"i{i}" for i in range(n_items + 1)])
    recommender = Recommender(scorer.scorer, items, 50, torch.device("cpu"))
    begin, done = time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder, table_writer(Path(folder) / "lists.csv") as write:
        for batch in recommender.lists(histories, k, Exclusion(True)):
            write(frame_of(names[done : done + len(batch.item)], items, [batch]))
            done += len(batch.item)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"users": n_users, "items": n_items, "seconds": time.perf_counter() - begin, "peak_gib": peak}


def exported(run_dir: Path, repetitions: int = 200) -> dict[str, float]:
    """Exports a run as a package and an ONNX file (best 20 of all items); milliseconds, and equality with the run."""
    import onnxruntime

    from recbole_cl import load, load_package
    from recbole_cl.serving.onnx_file import write_onnx
    from recbole_cl.serving.package import write_package

    run: Any = load(run_dir)
    tokens = run.items.tokens[1:11]
    row = torch.zeros(1, run.dataset.max_item_list_len, dtype=torch.long)
    row[0, :10] = torch.arange(1, 11)
    with tempfile.TemporaryDirectory() as folder:
        write_package(run, Path(folder) / "package")
        write_onnx(run, Path(folder) / "model.onnx", 20)
        package = load_package(Path(folder) / "package")
        session = onnxruntime.InferenceSession(str(Path(folder) / "model.onnx"), providers=["CPUExecutionProvider"])
        feed = {"item_seq": row.numpy(), "length": torch.tensor([10]).numpy()}
        return {
            "package_ms": _median(lambda: package.recommend([tokens], k=20), repetitions),
            "onnx_ms": _median(lambda: session.run(None, feed), repetitions),
            "package_load_ms": statistics.median(_load_ms(Path(folder) / "package") for _ in range(5)),
            **_equal_lists(run, session),
        }


def _load_ms(package: Path) -> float:
    """Milliseconds from the end of ``import torch`` until a package is loaded, in a separate process."""
    code = "import torch, time; t = time.perf_counter(); from recbole_cl import load_package; load_package({!r}); "
    code += "print(1e3 * (time.perf_counter() - t))"
    return float(subprocess.check_output([sys.executable, "-c", code.format(str(package))], text=True))


def _equal_lists(run: Any, session: Any) -> dict[str, int]:
    """Number of users for whom the file's best 20 items equal the run's, in the same order."""
    histories = run.histories(None)
    own = run.recommend(histories.names, k=20, exclude="none")["item"].to_numpy().reshape(-1, 20)
    found = []
    for rows in run.recommender.batches(histories):
        feed = {"item_seq": rows.item_seq.numpy(), "length": rows.seq_len.numpy()}
        found.append(session.run(["items"], feed)[0])
    lists = np.asarray(run.items.tokens)[np.concatenate(found)]
    return {"users": len(own), "users_with_the_same_list": int((lists == own).all(1).sum())}


def _median(call: Callable[[], object], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--run", type=Path, help="measure this run's package and ONNX file instead")
    args = parser.parse_args()
    print(json.dumps(exported(args.run) if args.run else many_users(args.users, args.items, args.k), indent=2))


if __name__ == "__main__":
    main()
