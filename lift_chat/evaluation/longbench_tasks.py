"""LongBench's own prompts and answer lengths, word for word with their slips.

From its `dataset2prompt.json` and `dataset2maxlen.json`, MIT License, Copyright (c) 2023 THU-KEG &
Zhipu AI. Left out are the Chinese tasks, code, and those whose score needs a list of classes or
examples in the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """`prompt` has places for context and input; `closed`, for input, is asked without context.

    `score` names the collection's own: f1, rouge_l or number.
    """

    prompt: str
    max_new_tokens: int
    score: str = "f1"
    closed: str = "{input}"


_BRIEF = "Only give me the answer and do not output any other words."
_PASSAGES = (
    f"Answer the question based on the given passages. {_BRIEF}\n\n"
    "The following are given passages.\n{context}\n\n"
    f"Answer the question based on the given passages. {_BRIEF}\n\n"
    "Question: {input}\nAnswer:"
)
_PHRASE = (
    "asconcisely as you can, using a single phrase if possible. Do not provide any explanation."
)
_UNLESS = (
    "as concisely as you can, using a single phrase or sentence if possible. If the question "
    'cannot be answered based on the information in the article, write "unanswerable". If the '
    'question is a yes/no question, answer "yes", "no", or "unanswerable". Do not provide any '
    "explanation."
)

TASKS: dict[str, Task] = {
    "narrativeqa": Task(
        "You are given a story, which can be either a novel or a movie script, and a question. "
        f"Answer the question {_PHRASE}\n\nStory: {{context}}\n\n"
        f"Now, answer the question based on the story {_PHRASE}\n\n"
        "Question: {input}\n\nAnswer:",
        128,
    ),
    "qasper": Task(
        f"You are given a scientific article and a question. Answer the question {_UNLESS}\n\n"
        f"Article: {{context}}\n\n Answer the question based on the above article {_UNLESS}\n\n"
        "Question: {input}\n\nAnswer:",
        128,
    ),
    "multifieldqa_en": Task(
        "Read the following text and answer briefly.\n\n{context}\n\nNow, answer the following "
        "question based on the above text, only give me the answer and do not output any other "
        "words.\n\nQuestion: {input}\nAnswer:",
        64,
    ),
    "hotpotqa": Task(_PASSAGES, 32),
    "2wikimqa": Task(_PASSAGES, 32),
    "musique": Task(_PASSAGES, 32),
    "qmsum": Task(
        "You are given a meeting transcript and a query containing a question or instruction. "
        "Answer the query in one or more sentences.\n\nTranscript:\n{context}\n\nNow, answer the "
        "query based on the above meeting transcript in one or more sentences.\n\n"
        "Query: {input}\nAnswer:",
        512,
        "rouge_l",
    ),
    "gov_report": Task(
        "You are given a report by a government agency. Write a one-page summary of the report."
        "\n\nReport:\n{context}\n\nNow, write a one-page summary of the report.\n\nSummary:",
        512,
        "rouge_l",
        "Write a one-page summary of the report.",
    ),
    "multi_news": Task(
        "You are given several news passages. Write a one-page summary of all news. \n\n"
        "News:\n{context}\n\nNow, write a one-page summary of all the news.\n\nSummary:",
        512,
        "rouge_l",
        "Write a one-page summary of all the news.",
    ),
    "passage_count": Task(
        "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. "
        "Please carefully read these paragraphs and determine how many unique paragraphs there are "
        "after removing duplicates. In other words, how many non-repeating paragraphs are there in "
        "total?\n\n{context}\n\nPlease enter the final count of unique paragraphs after removing "
        "duplicates. The output format should only contain the number, such as 1, 2, 3, and so on."
        "\n\nThe final answer is: ",
        32,
        "number",
        "How many paragraphs are there, after removing duplicates? Write only the number.",
    ),
    "passage_retrieval_en": Task(
        "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which "
        "paragraph the abstract is from.\n\n{context}\n\nThe following is an abstract.\n\n"
        "{input}\n\nPlease enter the number of the paragraph that the abstract is from. The answer "
        'format must be like "Paragraph 1", "Paragraph 2", etc.\n\nThe answer is: ',
        32,
        "number",
        "Which paragraph is this abstract from? Answer like “Paragraph 1”.\n\n{input}",
    ),
}
