"""K-means by scikit-learn, with the restarts of the authors' faiss.

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

_THREADS = 2  # the partial sums of more would be added in the order in which threads are ready


def fit_centroids(
    points: NDArray[np.float32],
    n_clusters: int,
    seed: int,
    *,
    iterations: int,
    restarts: int,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Fits centroids, the same ones to the last bit for the same arguments and number of threads.

    The first fit starts from random points, as often as ``restarts`` says, and the best one counts. A later one goes on
    from given centroids: there the authors' clustering object has each restart begin where the one before ended, which
    is one run of ``iterations * restarts`` steps. Each run ends early where nothing moves any more.

    Reference:
        Johnson, Douze and Jegou, "Billion-scale similarity search with GPUs", 2017 (faiss), as ICLRec and ICSRec use
        it.

    Args:
        points: The points; written to while they are fitted, and then as before to rounding.
        n_clusters: K, at most R.
        seed: Of the random starts.
        iterations: Lloyd's steps of a run, >= 1; 20 in both codes.
        restarts: Runs, >= 1; 5 in both codes.
        start: Centroids to go on from; None for random points.

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
