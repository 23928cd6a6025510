"""Serve the results of a store as a leaderboard, with Gradio."""
