"""What stores that were prepared by older rules may have wrong: a store remembers the number of its rules.

Where preparing changes what a store holds, count ``RULES`` up, once a release, and add to ``FAULTS`` what older stores
have wrong, and in which studies.
"""

RULES = 2
FAULTS = (  # (the rules that corrected it, what a store of older rules may have wrong)
    (
        2,
        "reports: findings under headings that were not known, and addenda, are missing; notes to colleagues and "
        "signatures are there; the impression comes last, where it is cut first",
    ),
    (2, "reports: the language of one that is neither English nor Spanish is called one of the two"),
    (
        2,
        "reports: letters are wrong where a text file was neither UTF-8 nor Latin-1; codes of HTML and RTF stay",
    ),
    (2, "reports: a dose report or another structured document of an examination stands in some for the radiologist's"),
    (
        2,
        "cohorts listed with --table: where text with commas stood without quotes, reports end at a comma and patients "
        "are words of them; studies are missing where a quote was open; a column Split or PatientID was passed over; "
        "list the cohort again",
    ),
    (
        2,
        "CTs from DICOM: two phases half a step apart, or passes that overlap in part, are one volume; every second "
        "slice is missing where directions differed by rounding (noted other_series_dropped), most of a scan that was "
        "cut in many where a slice was copied (other_acquisition_dropped)",
    ),
    (
        2,
        "CTs from DICOM: a slice without rescale lies 1024 HU above the others; a folder with a PET, an MR or a dose "
        "may hold that in place of its CT; values in other units (RescaleType) count as HU; bright padding is metal",
    ),
    (
        2,
        "X-rays from DICOM: squeezed where only PixelAspectRatio or NominalScannedPixelSpacing says the shape of a "
        "pixel; too dark where the padding value has the wrong sign; wrong values where HighBit is not BitsStored - 1 "
        "or a display table has entries of 8 bits",
    ),
    (
        2,
        "masks and label images count as X-rays; a volume without a voxel below -20 that has one below 0 (a PET or MR "
        "behind a spline), or that spans less than 100, counts as a CT",
    ),
    (
        2,
        "X-rays: lateral and oblique views are there, where `cohort folder` listed them, or `dicom-tree` and their "
        "headers did not say LL, RL or LATERAL; list the cohort again",
    ),
    (
        2,
        "patients: where `cohort folder` listed them they are names of folders, not PatientIDs, and one person may "
        "stand in two splits, or all in one; list the cohort again",
    ),
    (
        2,
        "reports: a folder's only text, a README too, is the report of each image there; list the cohort again",
    ),
)

FIRST = "prepared by older rules: prepare this store again. Where its files are of such kinds, these are wrong in it"


def faults_of(rules: int) -> list[str]:
    """What a store of these rules may have wrong, after a sentence on what to do; [] where the rules are today's."""
    wrong = [sentence for since, sentence in FAULTS if since > rules]
    return [FIRST, *wrong] if wrong else []
