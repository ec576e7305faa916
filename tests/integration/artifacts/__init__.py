"""Artifacts, against a scripted server and against the local platform."""
