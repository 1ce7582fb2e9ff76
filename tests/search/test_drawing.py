"""What the trials of several workers draw."""

from __future__ import annotations

import optuna

from recbole_cl.search.drawing import NumberedTPE


def test_workers_draw_differently_and_one_draws_the_same_again() -> None:
    spaces = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}

    def drawn(seed: int, samplers: int) -> list[float]:
        study = optuna.create_study()
        its = [NumberedTPE(seed, n_random=3) for _ in range(samplers)]  # one for each worker
        values = []
        for number in range(8):
            study.sampler = its[number % samplers]
            trial = study.ask(fixed_distributions=dict(spaces))
            values.append(trial.params["x"])
            study.tell(trial, trial.params["x"])
        return values

    assert drawn(1, 1) == drawn(1, 2) and len(set(drawn(1, 1))) == 8 and drawn(1, 1) != drawn(2, 1)
