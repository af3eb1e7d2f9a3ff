"""``unimedi serve``: the address in one line, a token where others may come, another model refused, a quiet end."""

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.hospital import write_pretrained
from unimedi.cli import main
from unimedi.web import server
from unimedi.web.limits import Limits
from unimedi.web.site import Site

Said = list[tuple[str, int, FastAPI]]


@pytest.fixture
def words(whole: Site) -> list[str]:
    archive = Path(str(whole.archive.place))
    return ["serve", str(archive), "--model", str(archive.parent / "model")]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What would be served: nothing listens."""
    said: Said = []

    def serve(app: FastAPI, host: str, port: int, limits: Limits, ready: Callable[[str], None]) -> None:
        said.append((host, port, app))
        ready(f"http://{host}:{port}/")
        app.state.site.close()

    monkeypatch.setattr(server, "serve", serve)
    return said


def test_this_machine_alone_needs_no_token(words: list[str], served: Said, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == "76 studies: http://127.0.0.1:8765/   (Ctrl-C ends it)\n"
    [(host, port, app)] = served
    assert (host, port) == ("127.0.0.1", 8765)
    assert TestClient(app, "http://localhost").get("/about").status_code == 200
    assert TestClient(app, "http://reading-room").get("/about").status_code == 400


@pytest.mark.parametrize("given", [None, "a-token-of-our-own"])
def test_others_need_one(words: list[str], served: Said, given: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--host", "0.0.0.0", *(["--token", given] if given else [])]) == 0
    found = re.search(r"//0\.0\.0\.0:8765/\?token=(\S+)", capsys.readouterr().out)
    assert found
    assert given in (None, found[1])
    assert len(found[1]) >= 12
    client = TestClient(served[0][2], "http://reading-room")
    assert client.get("/about").status_code == 401
    assert client.get("/about", params={"token": found[1]}).status_code == 200


@pytest.mark.parametrize("token", ["", "short"])
def test_a_token_that_will_not_do(
    words: list[str], served: Said, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--token", token]) == 2
    assert "expected a token of 12 letters" in capsys.readouterr().err
    assert not served


def test_another_model_is_refused_before_anything_listens(
    words: list[str], served: Said, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_pretrained(tmp_path / "other", report_languages=("de",))
    assert main([*words[:3], str(other)]) == 2
    assert "name the model that it was indexed with" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "nothing"), *words[2:]]) == 2
    assert not served


@pytest.mark.parametrize("trap", ['trap "" INT', pytest.param("", marks=pytest.mark.slow)])
def test_the_command_serves_and_ends_quietly(words: list[str], trap: str) -> None:
    """As a shell's background job, which begins with Ctrl-C ignored, and in the foreground."""
    process = subprocess.Popen(
        ["sh", "-c", f'{trap}\nexec "$@"', "sh", sys.executable, "-m", "unimedi", *words, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.fullmatch(r"76 studies: http:" + r"//127\.0\.0\.1:(\d+)/   \(Ctrl-C ends it\)\n", said)
    assert found, said
    with closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=600)) as connection:
        connection.request("GET", "/?q=effusion")
        assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "effusion" not in err
