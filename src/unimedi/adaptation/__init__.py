"""A model learns from labels or masks: fine-tuning, segmentation, and applying what was learnt."""
