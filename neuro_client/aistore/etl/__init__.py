"""Transformations of objects on the cluster (aistore.md §14)."""
