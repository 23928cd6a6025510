"""Judges that run in this process: by the logits of a prompt, or by the text that they generate."""
