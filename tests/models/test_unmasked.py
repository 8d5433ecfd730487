from __future__ import annotations

import pytest
import torch

from lift_chat.models.unmasked import NAME, OVER, is_plain, without_mask
from tests.adapters.architectures import build, some_ids


@pytest.mark.parametrize("name", ["llama", "qwen3", "smollm3"])
def test_without_a_mask_a_plain_decoder_is_causal_and_says_the_same(name: str) -> None:
    decoder = build(name).model.get_decoder()
    assert is_plain(decoder)
    ids = some_ids(40).repeat(2, 1)
    ids[1, 30:] = 7
    plain = decoder(input_ids=ids, use_cache=False).last_hidden_state
    with without_mask(decoder.config):
        other = decoder(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(other, plain)
    torch.testing.assert_close(other[0, :30], other[1, :30])
    assert not torch.allclose(other[0, 30:], other[1, 30:])
    assert decoder.config._attn_implementation == OVER


def test_a_prompt_read_after_a_failure_has_its_mask_again() -> None:
    decoder = build("llama").model.get_decoder()
    with pytest.raises(ValueError, match="stop"), without_mask(decoder.config):
        assert decoder.config._attn_implementation == NAME
        raise ValueError("stop")
    ids, mask = some_ids(12), torch.ones(1, 12, dtype=torch.long)
    mask[0, :5] = 0
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    padded = decoder(input_ids=ids, attention_mask=mask, position_ids=places).last_hidden_state
    alone = decoder(input_ids=ids[:, 5:]).last_hidden_state
    torch.testing.assert_close(padded[:, 5:], alone)


@pytest.mark.parametrize("name", ["gemma2", "gemma3"])
def test_a_decoder_with_sliding_windows_keeps_its_masks(name: str) -> None:
    assert not is_plain(build(name).model.get_decoder())


def test_a_decoder_whose_pass_depends_on_what_it_reads_is_not_plain() -> None:
    for change in (
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
        {"attention_dropout": 0.1},
        {"sliding_window": 16},
        {"num_local_experts": 4},
    ):
        decoder = build("llama").model.get_decoder()
        for field, value in change.items():
            setattr(decoder.config, field, value)
        assert not is_plain(decoder), change


def test_a_decoder_in_four_bits_is_not_plain() -> None:
    decoder = build("llama").model.get_decoder()
    layer = decoder.layers[0].mlp.up_proj
    layer.weight = torch.nn.Parameter(torch.zeros(8, dtype=torch.uint8), requires_grad=False)
    assert not is_plain(decoder)
