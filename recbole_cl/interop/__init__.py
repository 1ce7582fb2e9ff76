"""RecBole's own entry points, checkpoints and settings with our models: ``register()`` and conversions."""
