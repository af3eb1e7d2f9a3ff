"""E_l: a report's vector does not depend on its batch."""

import pytest
import torch

from tests.tiny import tiny_model


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_reports_of_many_lengths_are_read_as_one_by_one(count: int) -> None:
    torch.manual_seed(0)
    text = tiny_model().text.train()
    length = 12
    words = torch.randint(1, text.bert.config.vocab_size, (count, length))
    lengths = torch.randint(1, length + 1, (count,))
    mask = (torch.arange(length) < lengths[:, None]).long()
    together = text(words * mask, mask)
    for row, size in enumerate(lengths.tolist()):
        alone = text.pool(
            text.words(words[row : row + 1, :size], torch.ones(1, size).long()), torch.ones(1, size).long()
        )
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


def test_no_word_beyond_the_longest_of_its_group_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = tiny_model().text.train()
    shapes = []
    read = text.words

    def watched(words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(words.shape))
        return read(words, mask)

    monkeypatch.setattr(text, "words", watched)
    lengths = torch.tensor([12, 1, 5, 3, 12, 2, 5, 4])
    mask = (torch.arange(12) < lengths[:, None]).long()
    text(mask, mask)
    assert shapes == [(2, 2), (2, 4), (2, 5), (2, 12)]
