"""One file per method; the other modules hold shared code."""
