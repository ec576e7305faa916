"""The published client of workspaces against the local platform."""
