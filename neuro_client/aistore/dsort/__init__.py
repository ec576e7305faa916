"""Distributed sorts of archives (aistore.md §13)."""
