"""Checks of preference data: shortcut accuracy, duplicates and contamination; no model is needed."""
