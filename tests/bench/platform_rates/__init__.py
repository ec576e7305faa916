"""Rates of the platform's storage service against plain handlers that do the same file work."""
