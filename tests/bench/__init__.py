"""Benchmarks: programs that print ratios and write JSON; nothing here is part of the test suite."""
