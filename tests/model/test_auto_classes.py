"""transformers' Auto classes open a pretrained folder after ``import unimedi``, whichever was imported first."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, ProcessorMixin

from tests.hospital import write_pretrained
from unimedi.model.processor import UniMediProcessor

OPEN = """
config, model, processor = (one.from_pretrained(FOLDER) for one in (AutoConfig, AutoModel, AutoProcessor))
print(*(type(one).__name__ for one in (config, model, processor)), AutoModel.from_config(config).num_parameters() > 0)
"""
NAMES = "from transformers import AutoConfig, AutoModel, AutoProcessor"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    "imports",
    [
        f"import unimedi\n{NAMES}",
        f"{NAMES}\nimport unimedi",
        f"import unimedi.model.text_encoder\n{NAMES}",  # which imports the Auto classes while it is imported
        *(
            pytest.param(f"{first}\n{NAMES}", marks=pytest.mark.slow)
            for first in (
                "from transformers import AutoTokenizer\nimport unimedi",
                "from unimedi import UniMediConfig",
                "from unimedi import UniMediModel",
            )
        ),
    ],
)
def test_the_auto_classes_open_a_pretrained_folder(folder: Path, imports: str) -> None:
    code = f"{imports}\nFOLDER = {str(folder)!r}\n{OPEN}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["UniMediConfig", "UniMediModel", "UniMediProcessor", "True"], done.stderr


def test_importing_the_auto_classes_imports_no_model_of_ours() -> None:
    code = f"import sys, unimedi\n{NAMES}\nprint(any(name.startswith('unimedi.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_the_processor_is_one_of_transformers_and_is_saved_as_a_push_saves_it(folder: Path, tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    assert isinstance(processor, ProcessorMixin)
    assert isinstance(processor, UniMediProcessor)
    files = processor.save_pretrained(tmp_path, max_shard_size="5GB")  # as PushToHubMixin.push_to_hub does
    assert {Path(file).name for file in files} <= {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()} - {
        "config.json",
        "model.safetensors",
    }
    again = AutoProcessor.from_pretrained(tmp_path)
    assert again.to_dict() == processor.to_dict()
    texts = ["The heart is enlarged.", "There is a nodule."]
    assert all(torch.equal(value, again(text=texts)[name]) for name, value in processor(text=texts).items())
    assert set(again(text=texts)) <= set(again.model_input_names)
    assert "UniMediProcessor" in repr(again)


def test_a_push_sends_what_save_pretrained_wrote(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub itself is the one thing that is not there."""
    sent: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(UniMediProcessor, "push_to_hub", lambda self, repo_id, **more: sent.append((repo_id, more)))
    processor = UniMediProcessor.from_pretrained(folder)
    processor.save_pretrained(tmp_path / "mine", push_to_hub=True, token="t")
    processor.save_pretrained(tmp_path / "mine", push_to_hub=True, repo_id="us/ours")
    assert sent == [("mine", {"token": "t"}), ("us/ours", {})]
