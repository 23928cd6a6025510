"""The leaderboard: its rows, its index, submissions to it, and the app that shows it."""
