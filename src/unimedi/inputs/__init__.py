"""A study becomes tensors: preprocessing, the store, augmentation, mixed batches in a stateless order."""
