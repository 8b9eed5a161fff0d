"""Common adjectives: each describes the next word of a query, and nothing else in the photo."""

ADJECTIVES = frozenset(
    """
    red blue green yellow white black brown orange pink purple grey gray golden silver beige turquoise teal
    violet maroon crimson scarlet tan dark bright pale colorful colourful
    big small large little tiny huge tall short long wide narrow thin thick fat round square
    old young new ancient modern wooden metal stone plastic leather glass striped spotted checkered plaid
    floral furry fluffy hairy bald bearded broken dirty clean wet dry empty full open closed
    """.split()  # noqa: SIM905 - a list of 70 strings would be a page
)
