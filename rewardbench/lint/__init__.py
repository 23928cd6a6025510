"""What preference data gives away: shortcuts, duplicates, contamination. Reads Suites; scores no model."""
