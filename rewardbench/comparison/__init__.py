"""Compare results: paired tests, the regression gate, plots."""
