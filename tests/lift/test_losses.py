from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import Gemma2Config, Gemma2ForCausalLM, GraniteConfig, GraniteForCausalLM

from lift_chat.lift.losses import CHUNK, IGNORE, FrozenHead, Soft
from lift_chat.models.loading import LoadedModel


def test_loss_and_gradient_equal_plain_cross_entropy_over_several_chunks(tiny: LoadedModel) -> None:
    torch.manual_seed(1)
    tokens = CHUNK["cpu"] * 2 + 37
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


def batch(tokens: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states of three rows, labels at some positions, and a weight for each row."""
    torch.manual_seed(3)
    hidden = torch.randn(3, tokens, 32, requires_grad=True)
    labels = torch.randint(0, 300, (3, tokens))
    labels[0, ::3] = IGNORE
    labels[1, : tokens // 2] = IGNORE
    return hidden, labels, torch.tensor([0.5, 2.0, 0.0625])


def compare(ours: torch.Tensor, plain: torch.Tensor, hidden: torch.Tensor) -> None:
    """The same value and the same gradient, also of three times the loss."""
    (our_gradient,) = torch.autograd.grad(3 * ours, hidden)
    (plain_gradient,) = torch.autograd.grad(3 * plain, hidden)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(our_gradient, plain_gradient)
    assert float(plain_gradient.abs().max()) > 0.1


@pytest.mark.parametrize("tokens", [9, CHUNK["cpu"] + 50])
def test_weighted_loss_and_gradient_equal_plain_cross_entropy(
    tiny: LoadedModel, tokens: int
) -> None:
    hidden, labels, weights = batch(tokens)
    logits = tiny.model.get_output_embeddings()(hidden)[:, :-1]
    each = functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=IGNORE, reduction="none"
    )
    ours = FrozenHead(tiny.model).nll(hidden, labels, weights)
    compare(ours, (each.sum(1) * weights).sum(), hidden)


@pytest.mark.parametrize("tokens", [9, CHUNK["cpu"] + 50])
def test_distance_and_gradient_equal_a_plain_divergence_over_the_top_tokens_and_all_others(
    tiny: LoadedModel, tokens: int
) -> None:
    hidden, labels, weights = batch(tokens)
    rows, places = (labels[:, 1:] != IGNORE).nonzero(as_tuple=True)
    teacher = torch.randn(len(rows), 300).softmax(-1)
    student = tiny.model.get_output_embeddings()(hidden)[rows, places].softmax(-1)
    top = teacher.topk(20)
    others = torch.ones_like(teacher, dtype=torch.bool).scatter(-1, top.indices, value=False)
    told, said = (
        torch.cat([p.gather(-1, top.indices), (p * others).sum(-1, keepdim=True)], dim=-1)
        for p in (teacher, student)
    )
    each = (told * (told / said).log()).sum(-1)
    top = teacher.log().topk(20)
    ours = FrozenHead(tiny.model).distance(hidden, labels, Soft(top.indices, top.values), weights)
    compare(ours, (each * weights[rows]).sum(), hidden)


@pytest.mark.parametrize("kept", [20, 300])
def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn(
    tiny: LoadedModel, kept: int
) -> None:
    hidden, labels, weights = batch(12)
    known = labels[:, 1:] != IGNORE
    spoken = tiny.model.get_output_embeddings()(hidden.detach())[:, :-1][known].log_softmax(-1)
    top = spoken.topk(kept)
    loss = FrozenHead(tiny.model).distance(hidden, labels, Soft(top.indices, top.values), weights)
    (gradient,) = torch.autograd.grad(loss, hidden)
    assert abs(float(loss.detach())) < 1e-4 and float(gradient.abs().max()) < 1e-5


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
