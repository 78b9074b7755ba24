"""Finding the rows of a list that is not quite JSON, so that one row nobody can read does not hide its neighbours.

`NaN` is the usual culprit: many encoders write it, no standard allows it. Only where rows begin and end is looked for,
by strings and brackets; whether a row can be read is judged row by row later.
A body that is cut, or anything else but one list from its first to its last byte, is no list.
"""

import re

LIMIT_BYTES = 2 * 1024 * 1024
"""Longer bodies are not looked at: this takes up to 0.3 s per megabyte, in which nothing else happens."""

_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_CLOSES = {ord("["): ord("]"), ord("{"): ord("}")}


def split_rows(body: bytes) -> list[bytes] | None:
    """The rows of a list, as they stand; None if this is no list, or too long to be looked at."""
    body = body.strip(b" \t\r\n")
    if len(body) > LIMIT_BYTES or not (body.startswith(b"[") and body.endswith(b"]")):
        return None
    rows: list[bytes] = []
    awaited: list[int] = []
    begin = 1
    for mark in _MARKS.finditer(body):
        sign, at = body[mark.start()], mark.start()
        if sign == ord('"'):
            if mark.end() - at == 1:  # a string that does not end
                return None
        elif sign in _CLOSES:
            awaited.append(_CLOSES[sign])
        elif sign == ord(","):
            if len(awaited) == 1:
                rows.append(body[begin:at].strip())
                begin = at + 1
        elif not awaited or awaited.pop() != sign:
            return None
        elif not awaited:
            rows.append(body[begin:at].strip())
            return rows if at == len(body) - 1 and all(rows) else None
    return None
