"""Search over settings: trials that are trained and validated, never tested."""
