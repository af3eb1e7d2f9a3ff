"""What a file may be by its name."""

from unimedi.cohort.sources.file_names import PICTURES, TEXTS, VOLUMES, count_suffixes, stem, suffix


def test_a_suffix_is_in_lower_case_and_of_packed_nifti_it_is_both_parts() -> None:
    assert [suffix(name) for name in ("a.PNG", "b.NII.GZ", "c.tar.gz", "IM0001")] == [".png", ".nii.gz", ".gz", ""]
    assert suffix("a.nii.gz") in VOLUMES
    assert suffix("a.JPG") in PICTURES
    assert suffix("a.rtf") in TEXTS


def test_only_a_suffix_that_is_known_is_cut_off() -> None:
    assert [stem(name) for name in ("a.png", "b.nii.gz", "p1.v2.txt", "1.2.840", "x.docx")] == [
        *("a", "b", "p1.v2", "1.2.840", "x.docx")
    ]


def test_files_are_counted_by_suffix_the_most_frequent_first() -> None:
    assert count_suffixes(["a.png", "b.PNG", "c.txt", "d"]) == "2 .png, 1 .txt, 1 without a suffix"
    assert count_suffixes([f"a.{number}" for number in range(9)]).count(",") == 4
