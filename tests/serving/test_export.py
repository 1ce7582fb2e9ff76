"""Models that travel: packages and ONNX files."""

from __future__ import annotations
