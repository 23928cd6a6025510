"""What reaches a terminal: text, tables, JSON, progress bars and the warnings of libraries."""
