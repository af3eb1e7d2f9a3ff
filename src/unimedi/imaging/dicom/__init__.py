"""DICOM: from files to slices, from slices to a volume in physical units."""
