"""English words that describe no photo: they are looked up only when a query has no others."""

STOPWORDS = frozenset(
    """
    a about above after all an and any are around as at be been before behind being below beneath beside
    between beyond both but by can did do does down during each for from had has have having he her here
    hers him his how i if in inside into is it its just me more most my near no nor not of off on onto or
    other our out outside over own same she so some such than that the their them then there these they
    this those through to too toward towards under until up upon very was we were what when where which
    while who whom whose why will with within without you your
    image images photo photos photograph picture pictures show showing shows
    """.split()  # noqa: SIM905 - a list of 130 strings would be a page
)
