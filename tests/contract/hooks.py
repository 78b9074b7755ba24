"""What schemathesis must be told beyond the documents. Loaded by schemathesis, in its own environment.

- Half of the made-up workspace ids become the real one's (`$CONTRACT_WORKSPACE`): made-up ones end in 403 or 404, and
  nothing behind that would be looked at.
- JSON Schema takes 7.0 for an integer; the API's integers are written without a fraction, so that is how they are sent.
- Without a token, v8 answers 403; schemathesis knows 401 only.
- A request may have the right shape and yet be refused for what is in the workspace; v9 says so with 400 or 402, v8
  with the 404 that it gives for what is not there, too.
"""

import os
from typing import Any

import schemathesis

WORKSPACE = int(os.environ["CONTRACT_WORKSPACE"])
NAMES = {"workspace_id", "wid"}
RULES_OF_THE_DATA = (
    "already been taken",
    "can't be blank",
    "can't be changed",
    "is invalid",
    "is too long",
    "isn't present in",
    "not part of the plan",
    "older than 3 months",
    "Invalid currency",
    "Invalid end_date",
    "Invalid start_date",
)
"""Parts of the sentences that refuse what JSON Schema cannot forbid."""


@schemathesis.hook
def before_call(_context: Any, case: Any, **_kwargs: Any) -> None:
    """Give the case a workspace that is there."""
    if isinstance(case.path_parameters, dict):
        case.path_parameters = _settled(case.path_parameters)
    if isinstance(case.body, dict | list):
        case.body = _settled(case.body)


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Whether this is a difference. Three kinds are none, see above."""
    kind = type(failure).__name__
    if kind == "MissingHeaderNotRejected":
        return not (failure.header_name == "Authorization" and response.status_code == 403)
    if kind == "RejectedPositiveData" and response.status_code in {400, 402}:
        return not any(part in response.text for part in RULES_OF_THE_DATA)
    if kind == "EnsureResourceAvailability" and response.status_code == 404:
        return not any(part in response.text for part in RULES_OF_THE_DATA)
    return True


def _settled(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _settled(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner, name) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)
    if name in NAMES and isinstance(value, int) and not isinstance(value, bool) and value > 0 and value % 2:
        return WORKSPACE
    return value
