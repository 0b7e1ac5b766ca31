"""Clients that this project did not write, run against the simulated bank unmodified but for the base address."""
