"""State beside weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from scipy.sparse import csr_matrix

from recbole_cl.model.beside_weights import plain_state, put_back


def test_a_matrix_of_other_users_is_told() -> None:
    state = plain_state(None, {"pred_mat": csr_matrix((3, 5)), "best": 1})
    put_back(same := SimpleNamespace(pred_mat=csr_matrix((3, 5)), best=None), state)
    assert same.best == 1
    with pytest.raises(ValueError, match=r"pred_mat has shape \(3, 5\), here \(4, 5\)"):
        put_back(SimpleNamespace(pred_mat=csr_matrix((4, 5)), best=None), state)
