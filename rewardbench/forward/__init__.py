"""One forward pass over a batch: padding, sequence packing over a prefix tree, RoPE, batch effects."""
