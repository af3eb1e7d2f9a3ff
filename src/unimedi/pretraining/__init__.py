"""The scaffold of pre-training, thrown away afterwards. Start with :mod:`unimedi.pretraining.step`."""
