"""Figures: what runs recorded or hold, as arrays and as pictures."""
