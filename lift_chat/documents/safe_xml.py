"""Parsing the XML of containers without entities, DTD tricks or outside references."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from lift_chat.documents.draft import Refusal

_CONTAINER: Final = "Its inner structure (XML) is damaged; copy or download the file again."
_TRICK: Final = "It defines XML entities, a trick of files that attack the program reading them."


def parse(data: bytes) -> Element:
    """The root element. Raises `Refusal`: bomb for entities, damaged for malformed XML."""
    try:
        root: Element = fromstring(data)
    except DefusedXmlException as error:
        raise Refusal("bomb", _TRICK) from error
    except (ParseError, ValueError, LookupError) as error:
        raise Refusal("damaged", _CONTAINER) from error
    return root


def local_name(element: Element) -> str:
    """The tag without its namespace; "" for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> list[Element]:
    return [child for child in element if local_name(child) == name]


def descendants(element: Element, name: str) -> list[Element]:
    return [child for child in element.iter() if local_name(child) == name]


def text_of(element: Element | None) -> str:
    """All text inside, white space collapsed."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
