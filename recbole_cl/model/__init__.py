"""One file per method; the other modules hold what they share."""
