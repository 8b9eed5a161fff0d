"""Parse XMP, the RDF in XML that programs store in photos and in sidecars, to plain values.

Follows XMP Specification Part 1 (ISO 16684-1), 6 and 7. The XML comes from untrusted files: document types, which
entities need, are refused, and the size, the depth and the number of elements are limited.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any, TypeAlias
from xml.parsers import expat

MOST_BYTES = 16 << 20  # of one packet; sidecars with brush strokes of darktable have a few MB
MOST_DEPTH = 40  # of nested elements
MOST_ELEMENTS = 200_000

Value: TypeAlias = "str | Struct"
Struct: TypeAlias = "dict[str, list[Value]]"  # "namespace}name" -> its values: one, or those of an array

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XML = "http://www.w3.org/XML/1998/namespace}"
ARRAYS = (f"{RDF}Bag", f"{RDF}Seq", f"{RDF}Alt")
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that XML 1.0 excludes
_START = re.compile(rb"<(?:\?xpacket|x:x[am]pmeta|rdf:RDF|\?xml)")


class XmpError(ValueError):
    """The XMP cannot be read; the message completes the sentence "its XMP ..."."""


class _Element:
    """An XML element. Names have the form `namespace}name`."""

    __slots__ = ("attributes", "children", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[_Element] = []
        self.texts: list[str] = []


def parse(packet: bytes) -> Struct:
    """Return the properties of an XMP packet or sidecar. Raises XmpError.

    Of a text in several languages, the default or else the first one is kept.
    """
    if len(packet) > MOST_BYTES:
        raise XmpError(f"has {len(packet) >> 20} MB; at most {MOST_BYTES >> 20} are read")
    try:
        root = _tree(packet)
    except expat.ExpatError as error:
        root = _tree_of_damaged(packet, error)
    found = _find_rdf(root)
    if found is None:
        raise XmpError("contains no RDF")
    properties: Struct = {}
    for description in found.children:
        for name, values in _struct(description).items():
            properties.setdefault(name, values)
    return properties


def _tree(packet: bytes | str) -> _Element:
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    root = _Element("", {})
    stack = [root]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > MOST_DEPTH or count > MOST_ELEMENTS:
            raise XmpError("has too many or too deeply nested elements")
        element = _Element(name, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def refuse(*_: Any) -> None:
        raise XmpError("declares a document type, which XMP does not allow")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = lambda text: stack[-1].texts.append(text)
    parser.StartDoctypeDeclHandler = refuse
    feed(parser, packet.rstrip(b"\0 \t\r\n") if isinstance(packet, bytes) else packet)
    return root


def feed(parser: expat.XMLParserType, document: bytes | str) -> None:
    """Parse a whole document. Raises ExpatError, also if Python or expat do not know its encoding, and XmpError."""
    try:
        parser.Parse(document, True)  # noqa: FBT003
    except XmpError:
        raise
    except (LookupError, ValueError) as error:
        raise expat.ExpatError(str(error)) from None


def _tree_of_damaged(packet: bytes, error: expat.ExpatError) -> _Element:
    """Parse once more without bytes that are not UTF-8, forbidden characters, and what is around the packet."""
    begin = _START.search(packet)
    for end in (b"</x:xmpmeta>", b"</x:xapmeta>", b"</rdf:RDF>"):
        at = packet.rfind(end)
        if begin and at > 0:
            text = packet[begin.start() : at + len(end)].decode(errors="replace")
            try:
                return _tree(re.sub(r"^<\?xml[^>]*>", "", FORBIDDEN.sub(" ", text)))
            except expat.ExpatError:
                break
    raise XmpError(f"is not valid XML: {error}")


def _find_rdf(root: _Element) -> _Element | None:
    waiting = deque([root])
    while waiting:
        element = waiting.popleft()
        if element.name == f"{RDF}RDF":
            return element
        waiting += element.children
    return None


def _struct(element: _Element) -> Struct:
    """Return the properties of an rdf:Description, or of an element with parseType="Resource"."""
    found: Struct = {
        name: [text]
        for name, text in element.attributes.items()
        if "}" in name and not name.startswith((RDF, XML))
    }
    for child in element.children:
        values = _values(child)
        if values:
            found[child.name] = values
    return found


def _values(element: _Element) -> list[Value]:
    """Return the values of a property or of an array's item."""
    for child in element.children:
        if child.name in ARRAYS:
            items = child.children
            if child.name.endswith("Alt"):
                items = sorted(items, key=lambda item: item.attributes.get(f"{XML}lang") != "x-default")[:1]
            return [value for item in items for value in _values(item)]
        if child.name == f"{RDF}Description":
            return [_struct(child)]
        if child.name == f"{RDF}value":  # a value with qualifiers
            return _values(child)
    if element.attributes.get(f"{RDF}parseType") == "Resource" or element.children:
        return [_struct(element)]
    text = "".join(element.texts).strip() or element.attributes.get(f"{RDF}resource", "")
    if text:
        return [text]
    of_attributes = _struct(element)
    return [of_attributes] if of_attributes else []
