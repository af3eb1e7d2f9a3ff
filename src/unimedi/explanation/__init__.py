"""Why an image is near a sentence: maps over it, how they are drawn and written, how faithful they are."""
