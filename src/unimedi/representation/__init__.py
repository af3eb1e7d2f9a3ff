"""Studies and sentences become embeddings; the space they lie in is measured."""
