"""Programs that check the answers of core-hard, two independent ones for each kind of check."""
