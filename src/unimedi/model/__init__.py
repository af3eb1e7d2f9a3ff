"""What is kept and shipped: tokenizers, the shared vision encoder, the text encoder, slice selection, the processor."""
