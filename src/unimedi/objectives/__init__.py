"""Losses on tensors: no model, no data, no torch.distributed."""
