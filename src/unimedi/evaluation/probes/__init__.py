"""Linear probes on frozen embeddings, and the references beside them."""
