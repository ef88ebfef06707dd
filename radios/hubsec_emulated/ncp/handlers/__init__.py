"""The EZSP commands, one module for each subject."""
