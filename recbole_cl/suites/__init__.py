"""Suites: many runs described by one file, resumable, with any number of workers."""
