"""Jobs of a cluster (aistore.md §12)."""
