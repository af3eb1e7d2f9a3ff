"""Baselines and experiments: each replaces one box of the paper's step, which knows none of them."""
