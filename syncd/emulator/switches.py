"""What nobody outside knows about API v9, as switches; the default of each is the plainer reading. Pure data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Switches:
    """How the server behaves where the documentation is silent.

    Attributes:
        null_lists: write an empty list as `null`, as v8 and v9 were both seen to do at times.
        per_page_over_max: what becomes of a `per_page` beyond 200.
        short_pages: every other page is one row short, so that a short page is no proof of being the last.
        default_sort: the order of project lists that ask for none, ascending.
        notes_in_lists: whether lists of clients carry `notes`, as the single GET does.
        me_clients_archived: whether /me/clients has archived clients, too.
        since_honours_filters: whether `since` answers leave out what the other parameters do (deleted rows never).
        since_days: how old `since` may be; "3 months" in the API's words.
        future_since_refused: 400 for a `since` after now, instead of an empty list.
        foreign_status: the answer for a workspace or a row that the user may not see.
        duplicate_name_status: the answer to a name that is taken.
        archive_is_paid: archiving clients needs a premium workspace (402 elsewhere).
        quota_call_counted: whether GET /me/quota uses up quota itself.
        refused_calls_counted: whether calls beyond the quota count on, so that `remaining` goes below zero.
        quota_headers_on_402: whether the answer that says "used up" carries the quota headers.
        retry_after_on_429: whether the rate limit says how long to wait.
    """

    null_lists: bool = False
    per_page_over_max: Literal["clamp", "refuse"] = "clamp"
    short_pages: bool = False
    default_sort: Literal["id", "name"] = "id"
    notes_in_lists: bool = True
    me_clients_archived: bool = True
    since_honours_filters: bool = True
    since_days: int = 90
    future_since_refused: bool = False
    foreign_status: Literal[403, 404] = 403
    duplicate_name_status: Literal[400, 409] = 400
    archive_is_paid: bool = True
    quota_call_counted: bool = True
    refused_calls_counted: bool = True
    quota_headers_on_402: bool = True
    retry_after_on_429: bool = False
