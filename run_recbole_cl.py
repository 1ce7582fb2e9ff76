"""Trains and tests a model; `python run_recbole_cl.py --help` tells how."""

from recbole_cl.allocator import restart_with_tuned_malloc
from recbole_cl.cli import train_main

if __name__ == "__main__":
    restart_with_tuned_malloc()
    raise SystemExit(train_main())
