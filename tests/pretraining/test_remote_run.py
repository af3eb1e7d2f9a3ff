"""The command line on a store in a bucket, over a network that fails: the run is that from the folder, bit for bit."""

import json
from pathlib import Path

import pytest

from tests.object_store import Faults, faults, faulty_bucket
from tests.pretraining.toy_run import result, toy_recipe, toy_store
from unimedi.cli import main

__all__ = ["faults", "faulty_bucket"]


def test_pretraining_from_a_bucket_is_pretraining_from_the_folder(
    faulty_bucket: Path, faults: Faults, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(toy_recipe(tmp_path / "recipe.yaml", duration="5 steps"))
    uri, cache = "s3://hospital/store", ["--cache", str(tmp_path / "cache"), "--cache-gb", "0.001"]
    store = toy_store(faulty_bucket / "store")
    assert main(["pretrain", "--config", recipe, "--data", str(store.path), "--out", str(tmp_path / "a")]) == 0
    faults.share = 0.3
    assert main(["pretrain", "--config", recipe, "--data", uri, "--out", str(tmp_path / "b"), *cache]) == 0
    assert result(tmp_path / "a") == result(tmp_path / "b")
    assert any((tmp_path / "cache" / store.fingerprint / "pixels").rglob("*"))

    capsys.readouterr()
    assert main(["info", uri, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["path"]
    assert (told["name"], told["studies"], told["fingerprint"]) == (uri, 20, store.fingerprint)

    faults.keys = "another"
    assert main(["pretrain", "--config", recipe, "--data", uri, "--out", str(tmp_path / "c"), *cache]) == 2
    assert "s3://hospital/store: no store can be read there: store.json may not be read" in capsys.readouterr().err
    assert not (tmp_path / "c" / "log.jsonl").exists()
