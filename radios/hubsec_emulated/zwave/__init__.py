"""Emulated Z-Wave: the real driver and server on the driver's own mock controller and nodes, on this machine alone."""
