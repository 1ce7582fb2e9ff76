"""Errors that a user can cause."""

from __future__ import annotations


class UsageError(ValueError):
    """A mistake in the input, reported in one line that says what to do; the command line exits with code 2."""


class ProcessLost(RuntimeError):
    """Another process of a run that several train has ended, however it did."""
