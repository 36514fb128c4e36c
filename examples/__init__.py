"""Programs to run: `make demo`."""
