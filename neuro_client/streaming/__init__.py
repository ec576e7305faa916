"""Framing and following of streams; no I/O of its own."""
