"""pytest fixtures for emulated houses."""
