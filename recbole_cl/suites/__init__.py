"""Suites: many runs by one file, resumable, by any number of workers."""
