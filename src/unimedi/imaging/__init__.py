"""Pixels in physical units: files are read into radiographs and volumes with spacing and orientation."""
