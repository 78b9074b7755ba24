"""pandas through SQLAlchemy: types of columns, NULLs, money, and instants whatever the zone of the machine."""

from decimal import Decimal
from importlib.metadata import version as version_of
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from checks import CLIENT, PROJECT, RELATIONS, check, columns, of_relations, version
from sqlalchemy import create_engine

engine = create_engine("postgresql+psycopg://")
NULLABLE = {
    "bigint": "Int64", "integer": "Int64", "boolean": "boolean", "text": "string", "numeric(18,4)": "Float64",
    "timestamp with time zone": "datetime64[us, UTC]", "date": "string", "jsonb": "string",
}  # fmt: skip
"""What dtype_backend="numpy_nullable" makes of each type, where a column is not empty."""


def read(query: str, **options: Any) -> pd.DataFrame:
    """A query's frame."""
    return pd.read_sql_query(query, engine, **options)


version(f"pandas {version_of('pandas')}", f"SQLAlchemy {version_of('sqlalchemy')}", f"psycopg {version_of('psycopg')}")
frames = {name: read(f"SELECT * FROM toggl.{name}", dtype_backend="numpy_nullable") for name in RELATIONS}
check("rows of every relation", {name: len(frame) for name, frame in frames.items()}, of_relations("count"))
types = columns("type")
kinds = {
    f"{name}.{column}": (str(frame[column].dtype), NULLABLE[types[f"{name}.{column}"]])
    for name, frame in frames.items()
    for column in frame
    if frame[column].notna().any()
}
check(
    'dtype_backend="numpy_nullable": a dtype for every type',
    {pair: found for pair, (found, _) in kinds.items()},
    {pair: expected for pair, (_, expected) in kinds.items()},
)

query = "SELECT id, client_id, rate, fixed_fee, end_date, active, at, deleted_at FROM toggl.projects"
plain, exact = read(query), read(query, coerce_float=False)
nullable = read(query, dtype_backend="numpy_nullable")
is_ours = plain["id"] == PROJECT["id"]
check("ids are whole numbers beyond 2^53", int(is_ours.sum()), 1)
check("default: money is float64, NULL is NaN", (str(plain["rate"].dtype), plain["rate"][is_ours].item()),
      ("float64", 1234.5678))  # fmt: skip
check("coerce_float=False: money is Decimal", exact["rate"][is_ours].item(), Decimal("1234.5678"))
rounded = str(plain["client_id"].dtype), int(plain["client_id"][is_ours].item()) == CLIENT["id"]
check("default: a key that can be NULL is float64, which holds no big id", rounded, ("float64", False))
check("numpy_nullable: it stays whole", int(nullable["client_id"][is_ours].item()), CLIENT["id"])
nulls = {column: int(plain[column].isna().sum()) for column in plain}
counts = ", ".join(f"count(*) - count({column}) AS {column}" for column in plain)
counted = read(f"SELECT {counts} FROM toggl.projects")
check("every NULL is one, 0 is none", nulls, counted.iloc[0].to_dict())
text = read(f"SELECT name, notes FROM toggl.clients WHERE id = {CLIENT['id']}").iloc[0].to_dict()
check("names and long notes, every character", text, {"name": CLIENT["name"], "notes": CLIENT["notes"]})

instant = plain["at"][is_ours].item()
check("instants are aware, in UTC", (str(plain["at"].dt.tz), instant), ("UTC", pd.Timestamp(PROJECT["at"])))
kolkata = plain["at"].dt.tz_convert(ZoneInfo("Asia/Kolkata"))[is_ours].dt.date.item()
check("tz_convert gives the day of elsewhere", str(kolkata), "2024-03-11")
there = create_engine("postgresql+psycopg://", connect_args={"options": "-c timezone=America/New_York"})
elsewhere = pd.read_sql_query("SELECT id, at FROM toggl.projects", there, parse_dates={"at": {"utc": True}})
elsewhere = elsewhere.set_index("id")["at"].sort_index()
check("a session in another zone: the same instants",
      bool((elsewhere == plain.set_index("id")["at"].sort_index()).all()), True)  # fmt: skip
