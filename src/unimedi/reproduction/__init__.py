"""The comparison: baselines and ablations trained and measured alike, one table row each."""
