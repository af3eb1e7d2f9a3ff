"""DICOM headers, views, reports and servers, as far as a list of studies needs them."""
