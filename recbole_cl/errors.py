"""Errors that a user can cause."""

from __future__ import annotations


class UsageError(ValueError):
    """A mistake in the input, reported in one line that says what to do. The command line then exits with code 2."""


class ProcessLost(RuntimeError):
    """Another process of a run with several processes has ended, for whatever reason."""
