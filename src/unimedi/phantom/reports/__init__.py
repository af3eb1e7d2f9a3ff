"""What radiologists write about a phantom patient, in English or Spanish."""
