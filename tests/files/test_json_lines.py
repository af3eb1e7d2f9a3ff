"""Logs of one object a line, also of a process that was killed."""

from pathlib import Path

from unimedi.files.json_lines import read_json_lines


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 0}\n{"step": 1}\n{"step": 2, "lo', encoding="utf-8")
    assert read_json_lines(log) == [{"step": 0}, {"step": 1}]
    assert read_json_lines(log, last=2) == [{"step": 1}]


def test_only_the_last_lines_are_read_where_that_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('not read\n{"step": 1}\n{"step": 2}\n', encoding="utf-8")
    assert read_json_lines(log, last=2) == [{"step": 1}, {"step": 2}]


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path / "log.jsonl") == []
