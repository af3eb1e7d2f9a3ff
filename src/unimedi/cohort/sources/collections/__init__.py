"""The public collections: one file reads one, with its layout, labels and official split."""
