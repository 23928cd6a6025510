"""Reward heads by declaration: a `HeadSpec` says how a checkpoint that no Auto class loads is read."""
