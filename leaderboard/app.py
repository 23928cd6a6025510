"""The leaderboard as a Space: `python app.py` serves the store that the environment names (see README.md)."""

from pathlib import Path

from rewardbench.leaderboard.app.serve import serve_environment

if __name__ == "__main__":
    serve_environment(demo=Path(__file__).with_name("demo"))
