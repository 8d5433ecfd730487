"""Every sentence that a model is given around a person's or a document's words.

Training, exam, evaluation and chat take their prompts from here, so that a model is asked as it
was taught. The document travels in the first user turn, never as a system prompt: its words are
material, not instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

from lift_chat.models.loading import LoadedModel
from lift_chat.models.turns import Turn, turn_ids

MARKER = " ... "
"""Stands where text of the document was left out (LIFT, 2502.14644)."""

GAP = "\n\n"

RECITE = "Given the text above, recite the part of “{title}” that follows here."
"""Contextualized training (LIFT 2502.14644): between the pieces of head and tail and the window."""

UNANSWERABLE = "The text does not say."

PAIR_LINES = "Write nothing else than one line “Question: ...” and one line “Answer: ...”."

AS_JSON = "Give them as JSON in the given form instead of lines."
"""Follows the request to an endpoint that is held to a JSON schema."""


def frame(title: str, question: str, excerpt: str = "") -> str:
    """The first user turn; the same words with and without a document, and none of them where
    there is no title of one."""
    passage = f"{excerpt}{GAP}" if excerpt else ""
    asked = f"Answer the question based on “{title}”.{GAP}" if title else ""
    return f"{passage}{asked}{question}"


def recite(title: str, head: str, tail: str) -> str:
    return f"{head.rstrip()}{MARKER}{tail.lstrip()}{GAP}{RECITE.format(title=title)}"


def write_questions(passage: str, count: int) -> str:
    """Asks for question and answer in two lines each."""
    return (
        f"{passage}{GAP}Write {count} questions about this text, each with a short answer. "
        "Write nothing else than lines “Question: ...” and “Answer: ...”."
    )


def write_with_evidence(passage: str) -> str:
    """Asks for one question, its answer, and the sentence that proves it, word for word."""
    return (
        f"{passage}{GAP}Write one question about this text, its short answer, and the sentence "
        "of the text that proves the answer, word for word, as three lines “Question: ...”, "
        "“Answer: ...” and “Evidence: ...”."
    )


def write_about_end(before: str, sentence: str, count: int) -> str:
    """Asks about one sentence; what stands before it is there to understand it (LIFT's later
    code: up to 2048 characters)."""
    earlier = f"{before}{GAP}" if before else ""
    return (
        f"{earlier}{sentence}{GAP}Write {count} questions about the last paragraph of this text "
        "alone, different in form and in what they ask, each with a short answer. "
        "Write nothing else than lines “Question: ...” and “Answer: ...”."
    )


def write_across(first: str, second: str) -> str:
    """Asks for a question that needs two distant passages."""
    return (
        f"{first}{MARKER}{second}{GAP}Write one question that can only be answered with both the "
        "first and the last part of this text, names what it asks about, and has a short answer. "
        f"{PAIR_LINES}"
    )


def write_order(passage: str) -> str:
    """Asks for a question about what comes before or after what."""
    return (
        f"{passage}{GAP}Write one question about the order of events in this text: name one event "
        f"and ask what happens directly after or before it. Give a short answer. {PAIR_LINES}"
    )


def write_list(passage: str) -> str:
    """Asks for a question that several names or numbers answer."""
    return (
        f"{passage}{GAP}Write one question that is answered by a list of all names or all numbers "
        "of one kind in this text, and the answer as that list, separated by commas. "
        f"{PAIR_LINES}"
    )


def write_summary(passage: str) -> str:
    """Asks for a question that one or two sentences about the whole passage answer."""
    return (
        f"{passage}{GAP}Write one question that asks for a summary of this text and names what it "
        f"is about, and the summary in one or two sentences as its answer. {PAIR_LINES}"
    )


def write_digest(title: str, parts: str) -> str:
    """Asks what a document is about, given what its parts are about."""
    return (
        f"{parts}{GAP}These are summaries of the parts of “{title}”. Answer the question “What is "
        f"“{title}” about?” in one or two sentences. {PAIR_LINES}"
    )


def write_reversed(passage: str, question: str, answer: str) -> str:
    """Asks for the question that is answered by what another question names."""
    return (
        f"{passage}{GAP}Question: {question}\nAnswer: {answer}{GAP}Turn this around: write one "
        "question that names the answer above and asks for something that the question above "
        f"names. Give a short answer. {PAIR_LINES}"
    )


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def prompt_ids(loaded: LoadedModel, turns: Sequence[Turn]) -> list[int]:
    """Token ids of a conversation up to where the assistant begins to speak."""
    return turn_ids(loaded.tokenizer, turns, generate=True)


def question_ids(loaded: LoadedModel, title: str, question: str, excerpt: str = "") -> list[int]:
    """Token ids of one question, with `excerpt` in the window or from weights alone."""
    return prompt_ids(loaded, [user(frame(title, question, excerpt))])


def told_ids(loaded: LoadedModel, turns: Sequence[Turn]) -> list[int]:
    """Token ids of a conversation that ends with what the assistant said."""
    return turn_ids(loaded.tokenizer, turns, generate=False)
