"""A sidecar that is edited while the daemon watches is found within a moment."""

from waiting import until

from testbed.small_pngs import write_picture

WITH_KEYWORD = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject>
 </rdf:Description></rdf:RDF>"""


def test_a_sidecar_is_followed(home, daemon):
    for number in range(3):
        write_picture(home.photos / f"{number}.png", number)
    until(lambda: len(home.indexed()) == 3)

    def found(keyword):
        return home.imgret("query", f"keyword:{keyword}").stdout.split()

    assert found("harbour") == []
    sidecar = home.photos / "1.png.xmp"
    sidecar.write_text(WITH_KEYWORD.format("harbour"))
    until(lambda: found("harbour") == [bytes(home.photos / "1.png")])
    sidecar.write_text(WITH_KEYWORD.format("lighthouse"))
    until(lambda: found("lighthouse") == [bytes(home.photos / "1.png")])
    assert found("harbour") == []
    sidecar.unlink()
    until(lambda: found("lighthouse") == [])
