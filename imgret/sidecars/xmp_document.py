"""An XMP sidecar as a tree of elements with their byte ranges, so that one part can be changed and all others stay as they are.

An XML library that writes a whole tree loses prefixes, the order of attributes, the xpacket wrapper or its padding. Here the
file stays bytes, and changes are cuts and insertions at offsets that expat reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.parsers import expat

from imgret.decode.xmp import ARRAYS, MOST_BYTES, MOST_DEPTH, MOST_ELEMENTS, RDF, XML, XmpError, feed

_ATTRIBUTE = re.compile(rb"\s+([^\s=/>\"']+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_SPACE = b" \t\r\n"
_PADDING = b"\0" + _SPACE

Range = tuple[int, int]  # of bytes, the end not included


class Node:
    """An element. Names have the form `namespace}name`; `raw` is the name as it is written."""

    __slots__ = (
        *("attributes", "children", "declared", "end", "inner_end", "name", "open_end", "raw", "raw_names"),
        *("start", "texts"),
    )

    def __init__(self, raw: str, name: str, start: int, open_end: int) -> None:
        self.raw, self.name = raw, name
        self.attributes: dict[str, str] = {}  # by name, without declarations of namespaces
        self.raw_names: dict[str, str] = {}  # of attributes, as they are written -> name
        self.declared: dict[str, str] = {}  # xmlns:PREFIX -> namespace
        self.start, self.open_end = start, open_end  # of the start tag
        self.inner_end = self.end = open_end  # before and after the end tag; an empty-element tag has none
        self.children: list[Node] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        """The characters directly in it, without spaces around them."""
        return "".join(self.texts).strip()

    @property
    def prefix(self) -> str:
        """The prefix with its colon; empty for a default namespace."""
        return self.raw.rpartition(":")[0] + ":" if ":" in self.raw else ""

    def walk(self) -> Iterator[Node]:
        """Yield it and all elements in it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def array(self) -> Node | None:
        """Return the rdf:Bag, rdf:Seq or rdf:Alt that is its value; None if it has another one."""
        found = [child for child in self.children if child.name in ARRAYS]
        return found[0] if len(found) == 1 else None


class Document:
    """The bytes of a sidecar and the tree of its RDF. Raises XmpError; the message completes the sentence "FILE ..."."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MOST_BYTES:
            raise XmpError(f"has {len(data) >> 20} MB; at most {MOST_BYTES >> 20} are read")
        try:
            data.decode()
        except UnicodeDecodeError:
            raise XmpError("is not in UTF-8") from None
        if b"\0" in data.rstrip(_PADDING):  # UTF-16
            raise XmpError("is not in UTF-8")
        self.data = data
        self.root = self._parse()
        found = [node for node in self.root.walk() if node.name == f"{RDF}RDF"]
        if len(found) != 1:
            raise XmpError("contains no RDF" if not found else "contains several RDF elements")
        self.rdf = found[0]

    def properties(self) -> Iterator[tuple[Node, Node]]:
        """Yield (description, property) for each property that is an element."""
        for description in self.rdf.children:
            for each in description.children:
                yield description, each

    def find(self, name: str) -> Node | None:
        """Return the element of a property; None if there is none."""
        return next((each for _, each in self.properties() if each.name == name), None)

    def has(self, name: str) -> bool:
        """Return whether there is a property, as an element or an attribute."""
        return self.find(name) is not None or any(name in each.attributes for each in self.rdf.children)

    def whole(self, node: Node) -> Range:
        """Return the bytes of an element and of the spaces before it."""
        start = node.start
        while start and self.data[start - 1] in _SPACE:
            start -= 1
        return (start, node.end) if start and self.data[start - 1 : start] == b">" else (node.start, node.end)

    def space_before(self, node: Node) -> bytes:
        """Return the spaces before an element."""
        start, _ = self.whole(node)
        return self.data[start : node.start]

    def attributes(self, node: Node) -> Iterator[tuple[str, Range]]:
        """Yield the raw name of each attribute and its bytes, with the spaces before it."""
        for match in _ATTRIBUTE.finditer(self.data, node.start, node.open_end):
            yield match[1].decode(), match.span()

    def _parse(self) -> Node:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        root = Node("", "", 0, 0)
        stack = [root]
        scopes: list[dict[str, str]] = [{"xml": XML.removesuffix("}")}]
        count = 0

        def start(raw: str, attributes: dict[str, str]) -> None:
            nonlocal count
            count += 1
            if len(stack) > MOST_DEPTH or count > MOST_ELEMENTS:
                raise XmpError("has too many or too deeply nested elements")
            at = parser.CurrentByteIndex
            declared = {name: value for name, value in attributes.items() if _declares(name)}
            scope = scopes[-1] | {name.partition(":")[2]: value for name, value in declared.items()}
            node = Node(raw, _expanded(raw, scope), at, _end_of_tag(self.data, at))
            node.declared = declared
            for each, value in attributes.items():
                if each not in declared:
                    node.raw_names[each] = _expanded(each, scope) if ":" in each else each
                    node.attributes[node.raw_names[each]] = value
            stack[-1].children.append(node)
            stack.append(node)
            scopes.append(scope)

        def end(_: str) -> None:
            node = stack.pop()
            scopes.pop()
            if self.data[node.open_end - 2 : node.open_end] != b"/>":
                node.inner_end = parser.CurrentByteIndex
                node.end = self.data.index(b">", node.inner_end) + 1

        def refuse(*_: Any) -> None:
            raise XmpError("declares a document type, which XMP does not allow")

        def check_encoding(_: str, encoding: str | None, __: int) -> None:
            if encoding is not None and encoding.upper() != "UTF-8":  # what is added would be read wrongly
                raise XmpError(f"declares the encoding {encoding[:20]}; only UTF-8 is written")

        parser.XmlDeclHandler = check_encoding
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = lambda text: stack[-1].texts.append(text)
        parser.StartDoctypeDeclHandler = refuse
        try:
            feed(parser, self.data.rstrip(_PADDING))
        except expat.ExpatError as error:
            raise XmpError(f"is not valid XML: {error}") from None
        return root


def cut(data: bytes, ranges: Iterable[Range]) -> bytes:
    """Return the bytes without these ranges; ranges may be inside others."""
    kept, at = [], 0
    for start, end in sorted(ranges):
        if start > at:
            kept.append(data[at:start])
        at = max(at, end)
    return b"".join([*kept, data[at:]])


def insert_inside(document: Document, node: Node, children: str) -> bytes:
    """Return the bytes of the document with more children at the end of an element.

    `children` begins with the spaces that shall be before it.
    """
    data, added = document.data, children.encode()
    if node.inner_end == node.end:  # an empty-element tag
        name = f"</{node.raw}>".encode()
        return data[: node.open_end - 2].rstrip() + b">" + added + name + data[node.end :]
    at = node.children[-1].end if node.children else node.open_end
    return data[:at] + added + data[at:]


def _end_of_tag(data: bytes, at: int) -> int:
    """Return where the tag at an offset ends. Its attributes may contain `>`."""
    quote = 0
    while True:
        byte = data[at]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == 0x3E:
            return at + 1
        at += 1


def _declares(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _expanded(name: str, scope: dict[str, str]) -> str:
    prefix, colon, local = name.rpartition(":")
    uri = scope.get(prefix, "")
    if colon and not uri:
        raise XmpError(f"is not valid XML: unbound prefix {prefix[:50]}")
    return f"{uri}}}{local}" if uri else local
