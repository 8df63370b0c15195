"""Files to tensors: formats, checksums, and what a file is that is none of them."""
