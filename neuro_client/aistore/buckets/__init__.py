"""One bucket: its life, its listings, folders through the engine."""
