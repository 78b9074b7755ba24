"""Pages are kept within a limit; packed bodies unpack to themselves."""

import gzip

from syncd.emulator.dialect import Answer, Pages


def test_page_is_rendered_once_per_stamp() -> None:
    pages, rendered = Pages(), []

    def render() -> bytes:
        rendered.append(1)
        return b"x"

    first = pages.get("a", 1, render)
    assert first is pages.get("a", 1, render)
    assert first is not pages.get("a", 2, render)
    assert len(rendered) == 2


def test_oldest_pages_give_way_beyond_the_limit() -> None:
    """Bodies of 40 bytes, 100 allowed: two fit, however often they are rendered anew."""
    pages = Pages(limit_bytes=100)
    first = pages.get("a", 1, lambda: b"x" * 40)
    second = [pages.get("b", stamp, lambda: b"x" * 40) for stamp in range(5)][-1]
    assert first is pages.get("a", 1, lambda: b"rendered anew")
    pages.get("c", 1, lambda: b"x" * 40)
    assert first is not pages.get("a", 1, lambda: b"rendered anew")
    assert second is pages.get("b", 4, lambda: b"rendered anew")


def test_page_larger_than_the_limit_is_served_all_the_same() -> None:
    assert Pages(limit_bytes=100).get("a", 1, lambda: b"x" * 200).body == b"x" * 200


def test_packed_body_is_made_once_and_unpacks_to_the_body() -> None:
    """Two answers with equal bodies pack to equal bytes: no time of day in them."""
    answer = Answer(200, b"[1,2]" * 50)
    assert answer.body == gzip.decompress(answer.packed())
    assert answer.packed() is answer.packed()
    assert Answer(200, answer.body).packed() == answer.packed()
    assert answer.packed()[4:8] == bytes(4)
