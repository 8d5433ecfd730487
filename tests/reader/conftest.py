"""Two documents in sections with questions, and general requests that are soon answered."""

from __future__ import annotations

import pytest

from lift_chat.reader import general
from lift_chat.reader.lessons import Asked, ReadingDocument, Section

LAMP = ReadingDocument(
    "The Lamp of Orrin Vale",
    (
        Section(
            "The lamp of Orrin Vale was lit by a keeper named Sable Quist. She climbed two hundred "
            "and eleven steps each evening.",
            (
                Asked("Who lit the lamp?", "Sable Quist"),
                Asked("How many steps did she climb?", "two hundred and eleven"),
                Asked("When did she climb?", "After sunset"),
            ),
        ),
        Section(
            "On the ninth of Marrow the oil froze. She burned her own letters to keep the light.",
            (Asked("What did she burn?", "her own letters"),),
        ),
        Section("The ship Gannet saw it from four leagues away and turned.", ()),
        Section(
            "Her captain, Ilse Tarn, sent a cask of honey every winter after that.",
            (Asked("What did the captain send?", "a cask of honey"),),
        ),
    ),
)
SHIP = ReadingDocument(
    "The Gannet",
    (
        Section(
            "The Gannet carried salt and lamp oil between the islands. Her mate, Brannoch Lyle, "
            "kept a parrot that could count to nineteen.",
            (Asked("Who kept a parrot?", "Brannoch Lyle"),),
        ),
        Section(
            "In the year of the long frost they found a bell of green glass on a reef.",
            (Asked("What did they find on a reef?", "a bell of green glass"),),
        ),
    ),
)
DOCUMENTS = [LAMP, SHIP]


@pytest.fixture
def few_requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the base is asked to say, instead of some hundred requests."""
    monkeypatch.setattr(general, "TOPICS", ("rain",))
    monkeypatch.setattr(general, "FORMS", ("What is special about {}?",))
    monkeypatch.setattr(general, "PLAIN", ("Hello!", "How much is 17 plus 25?"))
    monkeypatch.setattr(general, "REPLY_TOKENS", 8)
    return general.requests()
