"""Merging into sidecars and removing from them: pure functions of bytes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.decode import xmp, xmp_fields
from imgret.decode.xmp import XmpError
from imgret.photo import SidecarNote
from imgret.sidecars.merge_own import CAPTIONS, KINDS, NOTES, OCR, Known, merge
from imgret.sidecars.remove_own import remove_own, written

DATA = Path(__file__).parent.parent / "data" / "metadata"
DOG = Known(
    captions=("a dog on a <sofa> & more",),
    counts=((2, "dog"), (1, "sofa")),
    note="Mum's dog\nin Rome",
    note_at=1_700_000_000,
    text=("RE16 TGK",),
    models=("caption blip 12", "ocr rapidocr 3"),
)
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
RDF_ONLY = f"<rdf:RDF {RDF}></rdf:RDF>"
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def packet(body: str, attributes: str = "") -> bytes:
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<!-- kept --><x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF {RDF}>\n  <rdf:Description rdf:about="x" {DC} xmlns:odd="urn:odd/" {attributes}>{body}'
        f"</rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n{'  ' * 30}\n<?xpacket end='w'?>"
    ).encode()


def merged(
    data: bytes | None, known: Known = DOG, kinds: tuple[str, ...] = KINDS, modified: int = 0
) -> bytes:
    made = merge(data, known, kinds, modified)
    assert made is not None
    assert merge(made, known, kinds, modified) == made  # written again, nothing changes
    return made


def fields_of(data: bytes) -> xmp.Struct:
    return xmp.parse(data)


def read(data: bytes, modified: int = 0):  # type: ignore[no-untyped-def]
    return xmp_fields.metadata(xmp.parse(data), "sidecar", modified)


def removed(data: bytes) -> bytes | None:
    return remove_own(data, written(data))


def bag(*items: str, kind: str = "Bag") -> str:
    return f"<rdf:{kind}>{''.join(f'<rdf:li>{escape(item)}</rdf:li>' for item in items)}</rdf:{kind}>"


def test_a_new_sidecar_has_all_data_and_is_removed_without_a_trace() -> None:
    data = merged(None)
    found = fields_of(data)
    assert found[xmp_fields.DC + "description"] == ["Mum's dog\nin Rome"]
    assert found[xmp_fields.DC + "subject"] == ["dog", "sofa"]
    assert found[xmp_fields.LIGHTROOM + "hierarchicalSubject"] == ["imgret|dog", "imgret|sofa"]
    assert found[xmp_fields.DIGIKAM + "TagsList"] == ["imgret/dog", "imgret/sofa"]
    assert written(data).text == ("RE16 TGK",)
    assert written(data).captions == DOG.captions
    assert removed(data) is None


def test_a_note_comes_before_a_caption() -> None:
    assert fields_of(merged(None, DOG, (CAPTIONS,)))[xmp_fields.DC + "description"] == [DOG.captions[0]]
    assert xmp_fields.DC + "description" not in fields_of(merged(None, DOG, (OCR,)))


def test_kinds_are_added_to_those_that_were_written_before() -> None:
    both = merged(merged(None, DOG, (CAPTIONS,)), DOG, (OCR,))
    assert (written(both).captions, written(both).text) == (DOG.captions, DOG.text)
    assert written(both).models == DOG.models
    fewer = merge(both, Known(), (CAPTIONS,))
    assert fewer is not None
    assert (written(fewer).captions, written(fewer).text) == ((), DOG.text)
    assert merge(fewer, Known(), KINDS) is None
    assert merge(None, Known(), KINDS) is None


def test_what_somebody_wrote_stays() -> None:
    before = packet(
        f"\n   <dc:description>{bag('theirs', kind='Alt')}</dc:description>\n   <dc:subject>{bag('Dog', 'mine')}</dc:subject>\n  "
    )
    after = merged(before)
    assert fields_of(after)[xmp_fields.DC + "description"] == ["theirs"]
    assert fields_of(after)[xmp_fields.DC + "subject"] == ["Dog", "mine", "sofa"]
    assert xmp_fields.DIGIKAM + "TagsList" not in fields_of(after)  # it would hide "mine" in digiKam
    assert b"<!-- kept -->" in after
    assert removed(after) == before


def test_a_tree_of_keywords_is_extended() -> None:
    body = f'<lr:hierarchicalSubject xmlns:lr="http://ns.adobe.com/lightroom/1.0/">{bag("A|B")}</lr:hierarchicalSubject>'
    after = merged(packet(body))
    assert fields_of(after)[xmp_fields.LIGHTROOM + "hierarchicalSubject"] == [
        "A|B",
        "imgret|dog",
        "imgret|sofa",
    ]
    assert removed(after) == packet(body)


def test_keywords_of_the_photo_are_not_hidden() -> None:
    known = Known(counts=((1, "dog"),), keywords=("harbour", "Rome"), paths=("Places|Rome",))
    data = merged(None, known)
    assert fields_of(data)[xmp_fields.DC + "subject"] == ["harbour", "Rome", "dog"]
    assert fields_of(data)[xmp_fields.DIGIKAM + "TagsList"] == ["Places/Rome", "harbour", "imgret/dog"]
    assert read(data).keywords == read(data).paths == ()
    assert removed(data) is None


def test_a_description_of_the_photo_is_not_hidden() -> None:
    known = Known(captions=("a dog",), description="theirs")
    assert fields_of(merged(None, known))[xmp_fields.DC + "description"] == ["theirs"]


def test_what_imgret_wrote_is_not_read_as_a_persons_words() -> None:
    data = merged(None)
    found = read(data)
    assert (found.description, found.keywords, found.paths) == (None, (), ())
    assert found.note == SidecarNote("Mum's dog\nin Rome", 1_700_000_000)
    mine = data.replace(b"<rdf:li>sofa</rdf:li>", b"<rdf:li>sofa</rdf:li><rdf:li>mine</rdf:li>", 1)
    assert read(mine).keywords == ("mine",)
    left = removed(mine)
    assert left is not None
    assert fields_of(left) == {xmp_fields.DC + "subject": ["mine"]}


def test_an_edited_caption_is_a_persons() -> None:
    data = merged(None, DOG, (CAPTIONS,)).replace(
        b'<rdf:li xml:lang="x-default">a dog', b'<rdf:li xml:lang="x-default">my dog'
    )
    assert read(data).description == "my dog on a <sofa> & more"
    left = removed(data)
    assert left is not None
    assert fields_of(left)[xmp_fields.DC + "description"] == ["my dog on a <sofa> & more"]
    assert fields_of(merged(data, DOG, (CAPTIONS,)))[xmp_fields.DC + "description"] == [
        "my dog on a <sofa> & more"
    ]


def test_a_note_that_was_edited_elsewhere_and_one_that_is_newer() -> None:
    data = merged(None, DOG, (NOTES,)).replace(b'"x-default">Mum', b'"x-default">Dad')
    assert read(data, 1_800_000_000).note == SidecarNote("Dad's dog\nin Rome", 1_800_000_000, edited=True)
    assert read(data).description is None
    # The index has not read it yet: it stays. Then the index has it, or something newer.
    assert fields_of(merged(data, DOG, (NOTES,), 1_800_000_000))[xmp_fields.DC + "description"] == [
        "Dad's dog\nin Rome"
    ]
    for note, at in (("Dad's dog\nin Rome", 1_800_000_000), ("Gran's dog", 1_900_000_000)):
        again = merged(data, Known(note=note, note_at=at), (NOTES,), 1_800_000_000)
        assert fields_of(again)[xmp_fields.DC + "description"] == [note]
        assert read(again, 1_900_000_001).note == SidecarNote(note, at)
        assert removed(again) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<broken", "is not valid XML"),
        (b"<a/>", "contains no RDF"),
        (packet("").replace(b'about="x"', b'about="\xff"'), "is not in UTF-8"),
        (b"<!DOCTYPE x><a/>", "document type"),
        (RDF_ONLY.encode("utf-16-be"), "is not in UTF-8"),
        *(
            (
                b'<?xml version="1.0" encoding="%b"?>' % name + packet("").partition(b"?>")[2],
                f"declares the encoding {name.decode()}",
            )
            for name in (b"ISO-8859-1", b"US-ASCII", b"UAF-8", b"shift_jis")
        ),
        (packet("<none:b/>"), "is not valid XML: unbound prefix"),
        (packet("<a>" * 50 + "</a>" * 50), "too many or too deeply nested"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(XmpError, match=sentence):
        merge(data, DOG, KINDS)


def test_other_forms_of_rdf() -> None:
    empty = f"<rdf:RDF {RDF}/>".encode()
    assert fields_of(merged(empty))[xmp_fields.DC + "subject"] == ["dog", "sofa"]
    left = removed(merged(empty))
    assert left is not None
    assert tree(left) == tree(empty)
    attribute = packet("", 'dc:subject="one"')
    assert fields_of(merged(attribute))[xmp_fields.DC + "subject"] == ["one"]
    assert removed(merged(attribute)) == attribute
    prefix = (
        packet(f"<dc:subject>{bag('a')}</dc:subject>")
        .replace(b"xmlns:rdf=", b"xmlns:r=")
        .replace(b"rdf:", b"r:")
    )
    assert fields_of(merged(prefix))[xmp_fields.DC + "subject"] == ["a", "dog", "sofa"]
    assert removed(merged(prefix)) == prefix


def tree(data: bytes) -> object:
    """A sidecar without spaces between elements, prefixes and the order of attributes."""

    def of(element: ElementTree.Element) -> object:
        children = [of(child) for child in element]
        return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), children

    return of(ElementTree.fromstring(data))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=12)
WORDS = st.lists(TEXT, max_size=4).map(tuple)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
PROPERTIES = st.one_of(
    st.tuples(NAMES, TEXT).map(lambda each: f"<odd:{each[0]}>{escape(each[1])}</odd:{each[0]}>"),
    WORDS.map(lambda each: f"<dc:subject>{bag(*each)}</dc:subject>"),
    WORDS.map(lambda each: f"<dc:subject>\n    {bag(*each)}\n   </dc:subject>"),
    TEXT.map(lambda each: f"<dc:description>{bag(each, kind='Alt')}</dc:description>"),
    TEXT.map(
        lambda each: f"<!-- {each.replace('-', '')} --><odd:a rdf:parseType='Resource'><odd:b/></odd:a>"
    ),
)
KNOWN = st.builds(
    Known,
    captions=WORDS,
    counts=st.lists(st.tuples(st.integers(1, 9), TEXT), max_size=4).map(tuple),
    note=st.none() | TEXT,
    note_at=st.integers(0, 1 << 33),
    text=WORDS,
    keywords=WORDS,
    paths=WORDS,
    title=st.none() | TEXT,
    description=st.none() | TEXT,
    rating=st.none() | st.integers(-1, 5),
    label=st.none() | TEXT,
)


@given(st.lists(PROPERTIES, max_size=5), TEXT, KNOWN, st.sets(st.sampled_from(KINDS)), st.data())
def test_unknown_fields_survive_and_removal_restores_every_byte(
    properties: list[str], attribute: str, known: Known, kinds: set[str], data: st.DataObject
) -> None:
    space = data.draw(st.sampled_from(["", "\n   "]))
    before = packet("".join(space + each for each in properties), f"odd:x={quoteattr(attribute)}")
    after = merge(before, known, kinds)
    assert after is not None
    assert merge(after, known, kinds) == after
    assert removed(after) == before
    odd = {name: value for name, value in fields_of(before).items() if name.startswith("urn:odd/}")}
    assert odd.items() <= fields_of(after).items()


@given(KNOWN, st.sets(st.sampled_from(KINDS)))
def test_a_new_sidecar_is_written_once_and_removed_completely(known: Known, kinds: set[str]) -> None:
    data = merge(None, known, kinds)
    if data is not None:
        assert merge(data, known, kinds) == data
        assert removed(data) is None
        found = read(data)
        assert (found.keywords, found.paths, found.description) == ((), (), None)
