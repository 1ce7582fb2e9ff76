"""``python -m recbole_cl``: runs the command ``recbole-cl``."""

from __future__ import annotations

import sys

from recbole_cl.cli import program

if __name__ == "__main__":
    sys.exit(program())
