"""What fine-tuning and segmentation have learnt: kept with its weights, and applied to files."""
