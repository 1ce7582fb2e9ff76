"""One run by several processes, started by torchrun: who they are, and how they share the work of a step."""
