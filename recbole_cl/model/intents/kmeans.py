"""K-means by scikit-learn, with the restarts of faiss, which the authors use.

Letters: R points, P numbers of a point, K clusters.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

_THREADS = 2  # with more, the order in which partial sums are added would depend on timing


def fit_centroids(
    points: NDArray[np.float32],
    n_clusters: int,
    seed: int,
    *,
    iterations: int,
    restarts: int,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Fits centroids; equal arguments and numbers of threads give bitwise equal centroids.

    The first fit runs ``restarts`` times from random points, and the best run is kept. A later fit continues from given
        centroids. In that case the authors' clustering object begins each restart where the previous one ended, which
        equals one run of ``iterations * restarts`` steps. Each run ends early if nothing changes any more.

    Reference:
        Johnson, Douze and Jegou, "Billion-scale similarity search with GPUs", 2017 (faiss), as ICLRec and ICSRec use
        it.

    Args:
        points: The points; modified during fitting, and restored afterwards up to rounding.
        n_clusters: K, at most R.
        seed: Seed of the random starts.
        iterations: Lloyd's steps of a run, >= 1; 20 in both codes.
        restarts: Runs, >= 1; 5 in both codes.
        start: Centroids to continue from; None for random points.

    Shape:
        points: [R, P]; start and the centroids: [K, P].

    Returns:
        The centroids, and the mean squared distance of the points to the nearest.
    """
    warm = start is not None
    kmeans = KMeans(
        n_clusters,
        init=start if warm else "random",
        n_init=1 if warm else restarts,
        max_iter=iterations * restarts if warm else iterations,
        tol=0,
        random_state=seed % 2**32,
        copy_x=False,
    )
    with threadpool_limits(min(_THREADS, torch.get_num_threads()), user_api="openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters, early in training
        kmeans.fit(points)
    return kmeans.cluster_centers_, kmeans.inertia_ / len(points)
