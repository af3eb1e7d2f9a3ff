"""Who finds whom: reports, findings, the same patient in the other modality."""
