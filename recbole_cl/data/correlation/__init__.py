"""Which items belong together: by the users who interact with them, or by a model's own item vectors."""
