"""K-means against the authors' faiss and against plain distances."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from recbole_cl.model.intents.kmeans import fit_centroids
from tests.oracles.load import oracle

fit = partial(fit_centroids, iterations=20, restarts=5)


def objective(points: np.ndarray, centroids: np.ndarray) -> float:
    return float(((points[:, None] - centroids[None]) ** 2).sum(2).min(1).sum())


@pytest.fixture(scope="module")
def h4() -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in oracle("h4_icsrec_kmeans_float32").items()}


def test_both_epochs_reach_the_authors_objective(h4: dict[str, np.ndarray]) -> None:
    points = [h4["points_epoch0"].copy(), h4["points_epoch1"].copy()]
    first, distance = fit(points[0], 7, 1)
    np.testing.assert_allclose(points[0], h4["points_epoch0"], atol=1e-5)
    reached = objective(h4["points_epoch0"], first)
    assert reached == pytest.approx(float(h4["objective_epoch0"]), rel=0.02)
    assert distance == pytest.approx(reached / len(points[0]), rel=1e-4)
    second, _ = fit(points[1], 7, 2, start=first)
    assert objective(h4["points_epoch1"], second) == pytest.approx(float(h4["objective_epoch1_warm"]), rel=0.02)


def test_a_warm_start_goes_on_from_the_centroids(h4: dict[str, np.ndarray]) -> None:
    """From the authors' own centroids it ends where theirs ended, all restarts one after the other."""
    centroids, _ = fit(h4["points_epoch1"].copy(), 7, 2, start=h4["centroids_epoch0"])
    np.testing.assert_allclose(centroids, h4["centroids_epoch1_warm"], atol=1e-4)


def test_the_seed_decides_and_few_distinct_points_are_no_error(recwarn: pytest.WarningsRecorder) -> None:
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    fits = [fit(points.copy(), 4, seed, iterations=1, restarts=1)[0] for seed in (0, 0, 1)]
    assert np.array_equal(fits[0], fits[1]) and not np.array_equal(fits[0], fits[2])
    same, distance = fit(np.ones((9, 3), np.float32), 4, 0)
    assert np.isfinite(same).all() and distance == 0 and not recwarn.list
