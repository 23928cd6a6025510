"""Find and read the verdict in the text of an answer; `judge.parse` is the entry."""
