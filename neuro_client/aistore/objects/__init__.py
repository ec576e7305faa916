"""One object: reading, writing, parts, checksums."""
