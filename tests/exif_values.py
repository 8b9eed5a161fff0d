"""Any values that the tags of EXIF may have, as Pillow reads them."""

from __future__ import annotations

from hypothesis import strategies as st
from PIL.TiffImagePlugin import IFDRational

anything: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.builds(IFDRational, st.integers(0, 2**32 - 1), st.integers(0, 5)),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.tuples(inner, inner, inner),
    max_leaves=8,
)
tags = st.dictionaries(
    st.sampled_from([0x010F, 0x0110, 0x0112, 0x0132, 0x9003, 0x9004, 1, 2, 3, 4]), anything, max_size=10
)
