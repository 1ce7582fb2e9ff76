"""Trains two methods with the same settings and seeds, and tests whether they differ: python compare_two_methods.py.

Two epochs show how it works; leave ``epochs`` out for a meaningful comparison.
"""

from pathlib import Path

from recbole_cl import run_seeds
from recbole_cl.report.render import as_text
from recbole_cl.report.store import load_run
from recbole_cl.report.tables import compare_runs

SETTINGS = {"train_form": "sequence", "train_batch_size": 32, "epochs": 2}


def main(dataset: str = "ml-100k", seeds: tuple[int, ...] = (2020, 2021), **settings: object) -> str:
    """Trains SASRec and DuoRec and compares them.

    Args:
        dataset: The name of a dataset; RecBole ships ml-100k.
        seeds: One run of each method per seed.
        **settings: Settings of both methods, which override SETTINGS.

    Returns:
        The tables under both protocols: means over seeds, differences to SASRec, p over users and over users and seeds.
    """
    folders: list[Path] = []
    for model in ("SASRec", "DuoRec"):
        folders += [result.run_dir for result in run_seeds(model, dataset, list(seeds), **SETTINGS | settings)]
    return as_text(compare_runs([load_run(folder) for folder in folders], ["hit@10", "ndcg@10"], baseline="SASRec"))


if __name__ == "__main__":
    print(main())
