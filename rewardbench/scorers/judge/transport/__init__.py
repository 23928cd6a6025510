"""Send requests to a server: connection, retries, rates and budget; `judge.client` is the entry."""
