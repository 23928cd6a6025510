"""Language models as judges: protocols, prompts, parsers, and the client that asks a server."""
