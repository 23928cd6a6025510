"""Write to the terminal: text, tables, JSON, progress bars and the log level of libraries."""
