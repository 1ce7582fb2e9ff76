"""What a method of your own can be tested with: the contract tests and a made-up dataset."""
