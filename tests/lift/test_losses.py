from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import Gemma2Config, Gemma2ForCausalLM, GraniteConfig, GraniteForCausalLM

from lift_chat.lift.losses import CHUNK, IGNORE, FrozenHead
from lift_chat.models.loading import LoadedModel


def test_loss_and_gradient_equal_plain_cross_entropy_over_several_chunks(tiny: LoadedModel) -> None:
    torch.manual_seed(1)
    tokens = CHUNK * 2 + 37
    hidden = torch.randn(2, tokens, 32, requires_grad=True)
    labels = torch.randint(0, 300, (2, tokens))
    labels[:, ::3] = IGNORE
    head = FrozenHead(tiny.model)
    ours = head.nll(hidden, labels)
    (ours_gradient,) = torch.autograd.grad(ours, hidden)
    logits = tiny.model.get_output_embeddings()(hidden)
    plain = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORE, reduction="sum"
    )
    (plain_gradient,) = torch.autograd.grad(plain, hidden)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(ours_gradient, plain_gradient)


def test_no_labelled_position_means_no_loss(tiny: LoadedModel) -> None:
    labels = torch.full((1, 8), IGNORE)
    assert float(FrozenHead(tiny.model).nll(torch.randn(1, 8, 32), labels)) == 0.0


@pytest.mark.parametrize("family", ["gemma2", "granite"])
def test_a_model_that_changes_its_logits_has_the_loss_of_its_own_forward(family: str) -> None:
    shape = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    model = (
        Gemma2ForCausalLM(Gemma2Config(head_dim=8, final_logit_softcapping=0.5, **shape))
        if family == "gemma2"
        else GraniteForCausalLM(GraniteConfig(logits_scaling=3.0, **shape))
    ).eval()
    ids = torch.randint(0, 64, (1, 20))
    with torch.no_grad():
        theirs = model(input_ids=ids, labels=ids).loss
        hidden = model.get_decoder()(input_ids=ids).last_hidden_state
        ours = FrozenHead(model).nll(hidden, ids) / 19
    torch.testing.assert_close(ours, theirs)
