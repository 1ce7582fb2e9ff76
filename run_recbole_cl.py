"""Trains and tests a model; `python run_recbole_cl.py --help` tells how."""

from recbole_cl.cli import train_main

if __name__ == "__main__":
    raise SystemExit(train_main())
