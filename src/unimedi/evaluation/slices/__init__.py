"""Whether slice selection finds lesions, and what slices bring to the model."""
