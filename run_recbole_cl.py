"""Trains and tests a model; see `python run_recbole_cl.py --help`."""

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if missing := [name for name in ("torch", "recbole", "pydantic", "yaml") if find_spec(name) is None]:
        sys.exit(
            f"run_recbole_cl.py: {', '.join(missing)} not installed for {sys.executable or 'this Python'}: run "
            "./scripts/setup here once, then .venv/bin/python run_recbole_cl.py, or activate .venv"
        )

    from recbole_cl.allocator import restart_with_tuned_malloc
    from recbole_cl.cli import train_main

    restart_with_tuned_malloc()
    raise SystemExit(train_main())
