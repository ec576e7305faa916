"""The tools for tests, over real sockets."""
