"""Names to loaded models: specification, weights, tokenizer, fingerprint, metadata."""
