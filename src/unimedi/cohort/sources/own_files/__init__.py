"""A person's own files as a cohort: a folder, a table, a tree of DICOM files."""
