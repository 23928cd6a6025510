"""Templates of core-long: those of core-hard at about 4, 16 and 64 thousand tokens (rungs 1 to 3)."""
