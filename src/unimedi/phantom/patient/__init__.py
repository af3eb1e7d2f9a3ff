"""Who a phantom patient is: anatomy, findings and distractors as numbers."""
