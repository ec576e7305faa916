"""Many objects in one request, in order: GetBatch (aistore.md §16.1)."""
