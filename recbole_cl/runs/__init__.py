"""The assembly point: settings to parts to run folder to result."""
