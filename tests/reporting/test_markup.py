import pytest

from kompot.reporting.markup import Markup, element, joined

NASTY = "</script><script>alert('\"&')</script>"


def test_text_is_escaped_and_markup_is_not():
    inner = element("b", NASTY)
    assert "<script" not in inner
    assert element("p", inner) == f"<p>{inner}</p>"
    assert joined("a & b", Markup("<br>"), None) == "a &amp; b<br>"


def test_attributes_are_escaped():
    found = element("img", alt=NASTY, aria_label='a"b', hidden=True, title=None, class_="x")
    assert "<script" not in found
    assert 'aria-label="a&quot;b"' in found
    assert found.endswith(' hidden class="x">')


def test_other_names_of_attributes_are_refused():
    with pytest.raises(ValueError, match="no name"):
        element("p", **{"onclick=alert(1) x": "y"})
