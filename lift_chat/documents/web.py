"""Web pages: the main text with its headings; navigation, scripts and forms are left out."""

from __future__ import annotations

from typing import Final

from bs4 import BeautifulSoup, Tag

from lift_chat.documents.draft import Draft
from lift_chat.documents.encoding import decode_markup
from lift_chat.documents.markup import blocks_of, soup_of, text_in
from lift_chat.documents.outline import paginate

_CHROME: Final = frozenset(
    (
        "nav",
        "aside",
        "footer",
        "form",
        "button",
        "input",
        "select",
        "option",
        "textarea",
        "noscript",
        "object",
        "embed",
    )
)
_CHROME_ROLES: Final = ("navigation", "banner", "contentinfo", "search", "complementary")
_MAIN_SHARE: Final = 0.5
"""An element is taken for the main text only when it holds this share of all text."""


def read_html(data: bytes) -> Draft:
    """One page per section. Never refuses: what has no text is for `quality` to judge."""
    soup = soup_of(decode_markup(data))
    drop_gutenberg(soup)
    for tag in soup.find_all(role=list(_CHROME_ROLES)):
        tag.decompose()
    blocks = blocks_of(_main(soup), skip=_CHROME)
    leaves, marks = paginate(blocks)
    top = [block.text for block in blocks if block.level == 1]
    return Draft(
        kind="html",
        title=text_in(soup.title) or (top[0] if top else ""),
        author=_meta(soup, "author"),
        language=str(soup.html.get("lang", "")) if soup.html else "",
        leaves=leaves,
        marks=marks,
    )


def _main(soup: BeautifulSoup) -> Tag:
    body = soup.body or soup
    everything = len(body.get_text())
    for name in ("main", "article"):
        found = body.find_all(name)
        if len(found) == 1 and len(found[0].get_text()) >= _MAIN_SHARE * everything:
            return found[0]
    return body


def _meta(soup: BeautifulSoup, name: str) -> str:
    tag = soup.find("meta", attrs={"name": name})
    return " ".join(str(tag.get("content", "")).split()) if isinstance(tag, Tag) else ""


def drop_gutenberg(soup: BeautifulSoup) -> None:
    """Removes the header and licence that Project Gutenberg marks as such in its books."""
    for tag in soup.find_all(class_="pg-boilerplate"):
        tag.decompose()
    for name in ("pg-header", "pg-footer", "pg-machine-header"):
        for tag in soup.find_all(id=name):
            tag.decompose()
