"""The leaderboard as a Gradio app: a store in, pages out."""
