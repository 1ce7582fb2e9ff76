"""Ranks per user, and what follows from them: metrics and significance."""
