"""Segmentation: decoders on the tokens of E_v, their training, and how masks are measured."""
