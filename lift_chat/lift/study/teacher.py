"""Asking back: does a model with the passage open come to the answer that was written?

One forward pass under teacher forcing tells it, and gives at the same time what study by
distillation learns from: the distribution at each position of the answer (prompt distillation,
arXiv 2412.14964; top 20 tokens as in Cartridges, arXiv 2506.06266). Knows study items and models;
not who wrote the items, nor what becomes of those that fail.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lift_chat.lift.losses import FrozenHead, Soft, pieces
from lift_chat.lift.notes import NO_NOTES, Notes, key
from lift_chat.lift.samples import answer_ids
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, question_ids
from lift_chat.models.rows import Rows, padded_right
from lift_chat.models.stems import Stem, groups, rows_of
from storage.records import StudyItem

AGREEMENT = 0.5
"""Least share of the answer's tokens that the reading model would have said itself.

A model says a right answer in its own words: the first token (“The” before a name) and the stop
token are often others, so more than half would drop short answers that are right. A wrong answer
shares little beyond word endings.
"""

TOP = 20

BATCH_TOKENS = 4096
"""Padded tokens of one forward pass."""

RESERVE = 16
"""Tokens left free for the joints between passage, question and answer."""


@dataclass(frozen=True, eq=False)
class Checked:
    """An item and what a reader of its passage says to it.

    `agreement` is the share of the answer's tokens, its stop token included, that are the
    reader's first choice; `nll` the mean nats per answer token with the passage open. `soft` holds
    the reader's top tokens at these positions, on the CPU: tokens (positions, k) int64,
    log-probabilities (positions, k) fp32. It is None where the reader is no teacher.
    """

    index: int
    item: StudyItem
    agreement: float
    nll: float
    soft: Soft | None

    @property
    def passed(self) -> bool:
        return self.item.kind == "unanswerable" or self.agreement >= AGREEMENT


def ask_back(  # noqa: PLR0913  # who is asked what, where, and what is known of it
    model: Any,
    loaded: LoadedModel,
    title: str,
    text: str,
    items: Sequence[StudyItem],
    turn: Turn,
    *,
    room: int | None = None,
    notes: Notes = NO_NOTES,
) -> Iterator[Checked]:
    """Asks each item with its passage open; yields in batches of similar length, not in order.

    `index` of what is yielded is the place in `items`. `room` limits the open text to that many
    tokens (default: the model's default window). The device is borrowed for one batch at a time.

    An unanswerable item passes whatever the reader says, and has no `soft`: that nothing in the
    document answers it is known from how it was made, and a model that has not been taught to
    abstain makes up an answer to it, which is why it is an item.
    """
    model.eval()
    prompts, answers = [], []
    for item in items:
        prompts.append(asked_open(loaded, title, text, item, room))
        answers.append(answer_ids(loaded, item.answer))

    def ask(places: list[int]) -> Iterator[tuple[int, Any]]:
        behind, missing = [len(answer) for answer in answers], set(places)
        for group in groups(prompts, BATCH_TOKENS, behind=behind, wanted=places):
            heard = _hear(model, loaded, prompts, answers, group, turn)
            for row, (agreement, nll, soft) in zip(rows_of(group), heard, strict=True):
                if row in missing:
                    yield row, [agreement, nll, _packed(soft)]

    who = notes.who(loaded, model)
    keys = [key(who, "heard", list(p), list(a)) for p, a in zip(prompts, answers, strict=True)]
    for index, (agreement, nll, soft) in notes.all_of(keys, ask):
        teaches = items[index].kind != "unanswerable"
        yield Checked(index, items[index], agreement, nll, _unpacked(soft) if teaches else None)


def _packed(soft: Soft) -> list[Any]:
    """The very numbers as JSON values: positions, tokens, log-probabilities."""
    halves = soft.tokens.to(torch.int32), soft.logprobs
    told = [base64.b64encode(half.contiguous().numpy().tobytes()).decode() for half in halves]
    return [len(soft.tokens), *told]


def _unpacked(values: Sequence[Any]) -> Soft:
    positions, *told = values
    tokens, logprobs = (
        torch.frombuffer(bytearray(base64.b64decode(half)), dtype=dtype).reshape(positions, -1)
        for half, dtype in zip(told, (torch.int32, torch.float32), strict=True)
    )
    return Soft(tokens.long(), logprobs)


def asked_open(
    loaded: LoadedModel, title: str, text: str, item: StudyItem, room: int | None = None
) -> list[int]:
    """The item's question behind its passage, with room for its answer; `room` limits the passage
    to that many tokens."""
    told = answer_ids(loaded, item.answer)
    used = len(question_ids(loaded, title, item.question)) + len(told) + RESERVE
    spare = min(room or loaded.window, loaded.window - used)
    excerpt = open_passage(loaded, text, item, max(spare, 2))
    return question_ids(loaded, title, item.question, excerpt)


def open_passage(loaded: LoadedModel, text: str, item: StudyItem, room: int) -> str:
    """The item's passage, its middle left out when it is longer than `room` tokens.

    An item about two distant passages reaches from the start of the first to the end of the
    second: what is left of it are these two.
    """
    passage = text[item.start : item.end].strip()
    reach = 8 * room  # characters; more than `room` tokens of nearly any text
    head = _offsets(loaded, passage[:reach])
    if len(head) <= room and len(passage) <= reach:
        return passage
    end = head[min((room + 1) // 2, len(head)) - 1][1]
    tail_from = max(len(passage) - reach, 0)
    tail = _offsets(loaded, passage[tail_from:])
    start = max(tail_from + tail[-min(max(room // 2, 1), len(tail))][0], end)
    return passage[:end].rstrip() + MARKER + passage[start:].lstrip()


def _offsets(loaded: LoadedModel, text: str) -> list[tuple[int, int]]:
    encoded = loaded.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    offsets: list[tuple[int, int]] = encoded["offset_mapping"]
    return offsets


@torch.no_grad()
def _hear(  # who is asked what, in which order
    model: Any,
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    group: Sequence[Stem],
    turn: Turn,
) -> list[tuple[float, float, Soft]]:
    """(agreement, nats per token, distribution) of each answer of the group behind its prompt.

    Only the positions that predict an answer's token reach the head.
    """
    stop, reading = loaded.ends.stop, Rows(decoder_of(model), loaded.device.torch)
    answered = [answers[row] for row in rows_of(group)]
    with turn():
        asked = list(zip(reading.begin(prompts, group), answered, strict=True))
        rests = padded_right([[*rest, *told] for rest, told in asked])
        hidden = reading.read(rests).last_hidden_state
        states = torch.cat(
            [
                hidden[row, len(rest) - 1 : len(rest) + len(told) - 1]
                for row, (rest, told) in enumerate(asked)
            ]
        )
        gold = torch.tensor([t for _, told in asked for t in told], device=hidden.device)
        logprobs, tokens, nlls = best_tokens(FrozenHead(model), states, gold)
    heard, start = [], 0
    for _, told in asked:
        piece = slice(start, start + len(told))
        said = [*zip(tokens[piece, 0].tolist(), told, strict=True)]
        agreed = [a == b or (a in stop and b in stop) for a, b in said]
        soft = Soft(tokens[piece].clone(), logprobs[piece].clone())
        heard.append((sum(agreed) / len(told), float(nlls[piece].mean()), soft))
        start += len(told)
    return heard


def best_tokens(
    head: FrozenHead, states: torch.Tensor, gold: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(log-probabilities, tokens) (positions, k), best first, and nats (positions,); on the CPU."""
    best, ids, nlls = [], [], []
    for piece in pieces(states):
        logprobs = head.logits(states[piece]).log_softmax(-1)
        top = logprobs.topk(min(TOP, logprobs.shape[-1]), dim=-1)
        best.append(top.values.cpu())
        ids.append(top.indices.cpu())
        nlls.append(-logprobs.gather(-1, gold[piece, None])[:, 0].cpu())
    return torch.cat(best), torch.cat(ids), torch.cat(nlls)
