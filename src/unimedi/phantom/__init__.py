"""A synthetic hospital: patients whose findings, masks and reports are known, as CT and X-ray."""
