"""Which items go together: by the users that take them, or by a model's own item vectors."""
