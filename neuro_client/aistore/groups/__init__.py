"""Many objects of a bucket by their names (aistore.md §11)."""
