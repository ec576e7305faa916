"""Samples for training out of objects and tar shards."""
