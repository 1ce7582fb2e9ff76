"""Runs with several processes, started by torchrun: how they find each other, and how they share each step."""
