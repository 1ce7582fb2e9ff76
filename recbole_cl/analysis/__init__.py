"""Figures of the data that runs recorded or contain, as arrays and as pictures."""
