"""Schedules and the optimiser, shared by pre-training and fine-tuning."""
