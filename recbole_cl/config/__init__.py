"""Settings of a run: RecBole's Config with our presets, and what each setting may be."""
