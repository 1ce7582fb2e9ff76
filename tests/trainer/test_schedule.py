"""The learning rate of an epoch, and that a resumed run has it too."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recbole_cl import run
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.schedule import cosine_share
from tests.trainer.parts import assemble
from tests.watching import interrupted_at

COSINE: dict[str, Any] = {
    "learning_rate_schedule": "cosine",
    "warmup_share": 0.5,
    "floor_share": 0.2,
    "learning_rate": 0.01,
}


def test_cosine_with_adaptiverecs_settings() -> None:
    shares = [cosine_share(epoch, 100, 0.05, 0.1) for epoch in range(100)]
    assert shares[:5] == pytest.approx([0.1, 0.28, 0.46, 0.64, 0.82])
    assert shares[5] == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi / 20)))
    assert shares[50] == pytest.approx(0.55) and shares[99] == pytest.approx(0.1, abs=1e-3)
    assert all(later < earlier for earlier, later in zip(shares[5:], shares[6:], strict=False))


@pytest.mark.parametrize(("warmup_share", "first"), [(0.0, 1.0), (0.19, 1.0), (0.2, 0.3), (1.0, 0.3)])
def test_the_warm_up_is_rounded_down(warmup_share: float, first: float) -> None:
    assert cosine_share(0, 5, warmup_share, 0.3) == first


def test_the_trainer_follows_the_schedule(tmp_path: Path) -> None:
    trainer, loader, valid = assemble(tmp_path, epochs=4, train_batch_size=10_000, **COSINE)
    used, step = [], trainer.step

    def watched(interaction: Any) -> Any:
        used.append(trainer.optimizer.param_groups[0]["lr"])
        return step(interaction)

    trainer.step = watched  # type: ignore[method-assign]
    trainer.fit(loader, valid)
    expected = [0.01 * cosine_share(epoch, 4, 0.5, 0.2) for epoch in range(4)]
    assert used == pytest.approx(expected) and used[0] == pytest.approx(0.002)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.value for event in events.Scalars("learning_rate")] == pytest.approx(expected)


def test_a_resumed_run_has_the_rates_of_an_unbroken_one(tmp_path: Path) -> None:
    settings = TINY | write_cycle(tmp_path) | COSINE | {"epochs": 4}
    whole = run("SASRec", "cycle", **settings)
    with interrupted_at("epoch 2 training"), pytest.raises(KeyboardInterrupt):
        run("SASRec", "cycle", **settings)
    (folder,) = (path for path in Path(settings["checkpoint_dir"]).iterdir() if path != whole.run_dir)
    resumed = run(resume=str(folder))
    assert resumed.test == whole.test and resumed.valid == whole.valid and resumed.epochs_run == 4
