"""Tools to test a method of your own: the contract tests and a toy dataset."""
