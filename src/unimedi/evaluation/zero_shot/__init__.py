"""Zero-shot classification: images compared with sentences about each finding."""
