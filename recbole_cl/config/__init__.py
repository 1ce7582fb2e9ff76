"""Settings of a run: RecBole's Config with our presets, and the allowed values of each setting."""
