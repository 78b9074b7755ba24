"""`make compare`: what the tools in use make of the same account, written as a table into docs/comparison.md."""

import base64
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.compare.peers import Airbyte, Face, Peer, Place, Singer, Syncd
from tests.compare.stage import Account, Databases, Travel, change, furnish, stage
from tests.contract.emulated import Emulated, emulated
from tests.docs.measured import write_table

EVERY_S = 300
CHANGED_AT_S = 60
OTHERS_AT_S, OTHERS_SPEND = 600, 20
LAST_AT_S = 65 * 60


class Sync(NamedTuple):
    """One run of a tool. Times are the comparison's, in seconds."""

    began_s: float
    ended_s: float
    requests: int
    refused: int
    is_well: bool


class Result(NamedTuple):
    """What a tool held after its first sync and after its last, and what it spent."""

    face: Face
    version: str
    first: dict[str, list[Any]]
    last: dict[str, list[Any]]
    syncs: list[Sync]
    account: Account


def main() -> int:
    results = []
    peers: list[Peer] = [Singer(), Airbyte(), Syncd()]
    with stage() as (directory, travel, databases):
        for number, peer in enumerate(peers):
            own = directory / str(number)
            own.mkdir()
            results.extend(_play(peer, own, travel, databases))
    lines = _table(results)
    print(*lines, sep="\n")
    write_table("docs/comparison.md", "compare", lines)
    return 0


def _play(peer: Peer, directory: Path, travel: Travel, databases: Databases) -> list[Result]:
    """The scenario with one tool: a first sync, the changes, then a sync every 5 minutes until the second hour."""
    travel.go_to(0)
    with emulated(directory, "--proxy", "--api", "v9", env=travel.env()) as toggl:
        account = furnish(toggl)
        place = Place(directory, travel, databases, toggl)
        url = peer.prepare(place)
        toggl.control("PUT", "limits", {"plan": "free"})
        syncs = [_sync(peer, place)]
        first = [_held(face, url) for face in peer.faces]
        travel.go_to(max(travel.now_s, CHANGED_AT_S))
        change(toggl, account)
        is_alone = True
        while (due_s := (travel.now_s // EVERY_S + 1) * EVERY_S) <= LAST_AT_S:
            travel.go_to(due_s)
            if is_alone and due_s >= OTHERS_AT_S:
                is_alone = False
                _spend(toggl)
            syncs.append(_sync(peer, place))
        return [
            Result(face, peer.version(), held, _held(face, url), syncs, account)
            for face, held in zip(peer.faces, first, strict=True)
        ]


def _spend(toggl: Emulated) -> None:
    """What another program of the same user takes out of the hour's 30 requests."""
    who = base64.b64encode(f"{toggl.token}:api_token".encode()).decode()
    path = f"{toggl.url}/api/v9/workspaces/{toggl.workspace}/clients?name=nobody"
    for _ in range(OTHERS_SPEND):
        request = urllib.request.Request(path, headers={"Authorization": f"Basic {who}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            answer.read()


def _sync(peer: Peer, place: Place) -> Sync:
    place.toggl.control("DELETE", "stats")
    began_s = place.travel.now_s
    is_well = peer.sync(place)
    lines = place.toggl.control("GET", "log")
    refused = sum(line["http_status"] == 402 for line in lines)
    done = Sync(began_s, place.travel.now_s, len(lines), refused, is_well)
    print(f"{peer.faces[0].name}: minute {began_s / 60:.0f}: {done}", file=sys.stderr, flush=True)
    return done


def _held(face: Face, url: str) -> dict[str, list[Any]]:
    return {"clients": Databases.ask(url, face.clients), "projects": Databases.ask(url, face.projects)}


def _table(results: Sequence[Result]) -> list[str]:
    account = results[0].account
    rows: list[tuple[str, list[str]]] = [
        ("version", [result.version for result in results]),
        ("projects held after the first sync, of 200", [str(len(result.first["projects"])) for result in results]),
        (
            f"archived ones among them, of {account.archived_projects}",
            [_archived(result.first["projects"]) for result in results],
        ),
        ("clients held after the first sync, of 20", [str(len(result.first["clients"])) for result in results]),
        (
            f"archived ones among them, of {account.archived_clients}",
            [_archived(result.first["clients"]) for result in results],
        ),
        ("deleted client, at the end", [_row(r.last["clients"], r.account.deleted_client) for r in results]),
        ("deleted project, at the end", [_row(r.last["projects"], r.account.deleted_project) for r in results]),
        (
            "project archived meanwhile, at the end",
            [_row(r.last["projects"], r.account.archived_project) for r in results],
        ),
        ("projects held alive at the end, of 199", [_alive(result.last["projects"]) for result in results]),
        ("syncs begun in 65 minutes", [str(len(result.syncs)) for result in results]),
        ("of these that ended with an error", [_count(not sync.is_well for sync in r.syncs) for r in results]),
        ("of these that sent no request", [_count(not sync.requests for sync in r.syncs) for r in results]),
        ("requests of the first sync", [str(result.syncs[0].requests) for result in results]),
        ("requests of all", [str(sum(sync.requests for sync in result.syncs)) for result in results]),
        ("of these refused with 402", [str(sum(sync.refused for sync in result.syncs)) for result in results]),
        ("longest sync, in minutes", [f"{max(s.ended_s - s.began_s for s in r.syncs) / 60:.0f}" for r in results]),
    ]
    head = ["", *(result.face.name for result in results)]
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows)]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _count(these: Iterable[bool]) -> str:
    return str(sum(these))


def _archived(rows: list[Any]) -> str:
    return str(sum(bool(row[1]) for row in rows))


def _alive(rows: list[Any]) -> str:
    return str(sum(not row[2] for row in rows))


def _row(rows: list[Any], key: int) -> str:
    found = [row for row in rows if row[0] == key]
    if not found:
        return "gone"
    _, is_archived, is_deleted = found[0]
    return "tombstone" if is_deleted else "archived" if is_archived else "alive"


if __name__ == "__main__":
    sys.exit(main())
