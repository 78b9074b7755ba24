"""Every mistake is one line that says what is wrong, where and what to do, and shows no value."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncd.config import Database, Written, load_settings

TOKEN = '[[tokens]]\nname = "acme"\ntoken_env = "T"\n'
ENVIRON = {"T": "abc"}
RESOURCES = (
    '[sync] resources: must have "clients" and "projects" in it, each once; nothing else can be added but "tags"'
)
DURATION = 'must be a duration in quotes, like "90s", "5m", "1h30m" or "2d"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # unknown keys
        ("[database]\nulr = 1", "[database] ulr: unknown key; did you mean url?"),
        ("[sync.deletes]\nminage = 1", "[sync.deletes] minage: unknown key; did you mean min_age?"),
        ("[databse]\nurl = 1", "databse: unknown key; did you mean database?"),
        ("[Sync]\nx = 1", "Sync: unknown key; did you mean sync?"),
        ("[database]\nlisten = 1", "[database] listen: unknown key here; it belongs into [service]"),
        ("[sync]\nmin_age = 1", "[sync] min_age: unknown key here; it belongs into [sync.deletes]"),
        ("[log]\nzzz = 1", "[log] zzz: unknown key; known here: format, level"),
        ('[log]\n"a\\nb" = 1', "[log] a\\nb: unknown key; known here: format, level"),
        ('[log]\n"0123456789abcdef0123456789abcdef" = 1', "[log] ***: unknown key; known here: format, level"),
        ("[sync]\n_env_file = 1", ("[sync] _env_file: unknown key; known here: interval, max_concurrent_pulls, "
         "pull_timeout, full_every, resources, deletes, history")),
        # wrong types
        ("[database]\nurl = 5", "[database] url: must be text in quotes"),
        ("[database]\ndata_dir = 5", "[database] data_dir: must be a path in quotes"),
        ("[database]\nmigrate = 'canary'", "[database] migrate: must be true or false"),
        ("[database]\npool_size = 1.5", "[database] pool_size: must be a whole number"),
        ("[database]\npool_size = true", "[database] pool_size: must be a number"),
        ("[database]\npool_size = 'canary'", "[database] pool_size: must be a whole number"),
        ("[database]\nconnect_timeout = 30", f"[database] connect_timeout: {DURATION}"),
        ("[toggl]\nrequests_per_second = 'canary'", "[toggl] requests_per_second: must be a number"),
        ("[toggl]\nrequests_per_second = true", "[toggl] requests_per_second: must be a number"),
        ("[toggl]\nbase_url = 1", "[toggl] base_url: must be text in quotes"),
        ("[sync]\ninterval = 'canary'", f"[sync] interval: {DURATION}"),
        ("[sync]\ninterval = 1979-05-27", f"[sync] interval: {DURATION}"),
        ("[sync]\ndeletes = 5", "[sync] deletes: must be a table, with its keys on lines of their own"),
        ("database = 5", "database: must be a table, with its keys on lines of their own"),
        ("[sync.history]\nretention = 'never'", f"[sync.history] retention: {DURATION}"),
        # ranges
        ("[database]\npool_size = 0", "[database] pool_size: must be at least 1"),
        ("[database]\nconnect_timeout = '0s'", "[database] connect_timeout: must be longer than 0s"),
        ("[toggl]\nrequests_per_second = -1", "[toggl] requests_per_second: must be at least 0.0"),
        ("[toggl]\nrequests_per_second = nan", "[toggl] requests_per_second: must be a finite number"),
        ("[toggl]\nrequests_per_second = inf", "[toggl] requests_per_second: must be a finite number"),
        ("[sync]\nmax_concurrent_pulls = 0", "[sync] max_concurrent_pulls: must be at least 1"),
        ("[sync]\ninterval = '0s'", "[sync] interval: must be longer than 0s"),
        ("[sync]\npull_timeout = '0s'", "[sync] pull_timeout: must be longer than 0s"),
        ("[sync]\nfull_every = '0s'", "[sync] full_every: must be longer than 0s"),
        ("[sync.deletes]\nconfirmations = 0", "[sync.deletes] confirmations: must be at least 1"),
        ("[sync.deletes]\nmax_share = 0", "[sync.deletes] max_share: must be more than 0.0"),
        ("[sync.deletes]\nmax_share = 1.01", "[sync.deletes] max_share: must be at most 1.0"),
        ("[sync.history]\nretention = '0s'", "[sync.history] retention: must be longer than 0s"),
        # choices
        ("[toggl]\nprojects = 'canary'", "[toggl] projects: must be one of 'auto', 'workspace' or 'client'"),
        ("[log]\nformat = 'xml'", "[log] format: must be one of 'json', 'console' or 'auto'"),
        ("[log]\nlevel = 'trace'", "[log] level: must be one of 'debug', 'info', 'warning' or 'error'"),
        ("[toggl]\napi = 'v7'", "[toggl] api: must be one of 'v8' or 'v9'"),
        ("[service]\ndispatcher = 'redis'",
         "[service] dispatcher: must be one of 'local' or 'pgqueuer'"),
        # addresses
        ("[database]\nurl = 'mysql://u:canary@h/db'",
         "[database] url: must be a URL that starts with postgresql://"),
        ("[database]\nurl = 'canary'", "[database] url: must be a URL that starts with postgresql://"),
        ("[database]\nurl = 'postgresql://u:can/ary@h/db'",
         "[database] url: is not a well-formed URL; look at its host and port"),
        ("[database]\nurl = 'postgresql://u:canary@h:x/db'",
         "[database] url: is not a well-formed URL; look at its host and port"),
        ("[database]\nurl = 'postgresql://u:can ary@h/db'",
         "[database] url: must not hold blanks or non-ASCII characters; percent-encode them"),
        ("[toggl]\nbase_url = 'ftp://canary'",
         '[toggl] base_url: must be a URL like "https://api.track.toggl.com"'),
        ("[toggl]\nbase_url = 'https:///x'",
         '[toggl] base_url: must be a URL like "https://api.track.toggl.com"'),
        ("[toggl]\nbase_url = ''", '[toggl] base_url: must be a URL like "https://api.track.toggl.com"'),
        ("[toggl]\nbase_url = 'https://canary:x@h'",
         "[toggl] base_url: must not hold a user name or password; tokens have their own keys in [[tokens]]"),
        ("[toggl]\nbase_url = 'https://h/?canary'",
         "[toggl] base_url: must not have a query or fragment; end it after host or path"),
        ("[toggl]\nbase_url = 'https://h/#'",
         "[toggl] base_url: must not have a query or fragment; end it after host or path"),
        ("[toggl]\nbase_url = 'http://toggl.example'",
         ("[toggl] base_url: is plain http to another machine, which shows the tokens to the network; use https, "
         "or set [toggl] allow_insecure_http = true")),
        ("[toggl]\nbase_url = 'http://127.0.0.1.example'",
         ("[toggl] base_url: is plain http to another machine, which shows the tokens to the network; use https, "
         "or set [toggl] allow_insecure_http = true")),
        ("[sync]\nresources = ['clients', 'tags']", RESOURCES),
        ("[sync]\nresources = ['clients', 'projects', 'tasks']", RESOURCES),
        ("[sync]\nresources = ['clients', 'projects', 'project']", RESOURCES),
        ("[sync]\nresources = ['clients', 'projects', 'projects']", RESOURCES),
        ("[sync]\nresources = 'projects'", RESOURCES),
        ("[sync]\nresources = ['clients', 1]", "[sync] resources: must be a list of names in square brackets"),
        ("[service]\nlisten = '9108'",
         '[service] listen: must be "host:port", like "127.0.0.1:9108" or "[::1]:9108", or "" for off'),
        ("[service]\nlisten = 'h:65536'",
         '[service] listen: must be "host:port", like "127.0.0.1:9108" or "[::1]:9108", or "" for off'),
        ("[service]\nlisten = 9108",
         '[service] listen: must be "host:port", like "127.0.0.1:9108" or "[::1]:9108", or "" for off'),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(problems: Callable[..., list[str]], text: str, expected: str) -> None:
    """File, key, what is wrong and what to do."""
    (problem,) = problems(f"{text}\n{TOKEN}", ENVIRON)
    assert f"FILE: {expected}" == problem
    assert "canary" not in problem


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('token_env = "T"', "[[tokens]] no. 1: name: is missing; every token needs it"),
        ('name = 5\ntoken_env = "T"', "[[tokens]] no. 1: name: must be text in quotes"),
        ('name = "x"\ntoken_env = 5', "[[tokens]] x: token_env: must be text in quotes"),
        ('name = "x"\ntoken_env = "T"\ninterval = "x"', f"[[tokens]] x: interval: {DURATION}"),
        ('name = "x"\ntoken_env = "T"\ninterval = "0s"', "[[tokens]] x: interval: must be longer than 0s"),
        ('name = "x"\ntoken_env = "T"\nworkspaces = 5',
         "[[tokens]] x: workspaces: must be a list in square brackets"),
        ('name = "x"\ntoken_env = "T"\nworkspaces = [1, 0]', "[[tokens]] x: workspaces.1: must be at least 1"),
        ('name = "x"\ntoken_env = "T"\nworkspace = [1]',
         "[[tokens]] x: workspace: unknown key; did you mean workspaces?"),
        ('name = "x"\ntoken_env = "T"\ntoken = "canary"', ("[[tokens]] x: token: a secret is never written here; "
         "name its place with token_env, token_file or credential")),
    ],
)  # fmt: skip
def test_a_mistake_in_a_token_names_the_token(problems: Callable[..., list[str]], entry: str, expected: str) -> None:
    """Or its number, where it has no name."""
    assert [f"FILE: {expected}"] == problems(f"[[tokens]]\n{entry}", ENVIRON)


def test_one_pair_of_brackets_is_not_enough_for_a_token(problems: Callable[..., list[str]]) -> None:
    """[tokens] is a table, [[tokens]] an entry of a list."""
    found = problems('[tokens]\nname = "acme"', ENVIRON)
    assert found == ["FILE: tokens: must be a list of tables; begin each token with [[tokens]]"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[database]\nurl = canary", "line 2, column 7"),
        ("[database\n", "line 1, column 10"),
        ("a = 1\na = 2\nb = 3", "line 2, column 6"),
        ("[a]\nb = \"canary", "end of document"),
    ],
)  # fmt: skip
def test_broken_toml_names_line_and_column(problems: Callable[..., list[str]], text: str, place: str) -> None:
    """And does not repeat the line, which may hold a password."""
    (problem,) = problems(text)
    assert problem.startswith(f"FILE: is not valid TOML at {place}: ")
    assert "canary" not in problem


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Saved by an editor in another encoding; a byte order mark is no harm, though."""
    with pytest.raises(Exception, match="is not UTF-8 text; save it as UTF-8"):
        _load_bytes(tmp_path, b"\xff\xfe[\x00")
    _load_bytes(tmp_path, b"\xef\xbb\xbf" + TOKEN.encode())


def test_a_directory_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    """As happens when a container mounts a file that does not exist."""
    with pytest.raises(Exception, match=r"cannot be read \(is a directory\)"):
        load_settings(tmp_path, ENVIRON)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SYNCD_DATABASE__ULR", "did you mean SYNCD_DATABASE__URL?"),
        ("SYNCD_DATABASE_URL", "did you mean SYNCD_DATABASE__URL?"),
        ("syncd_database__url", "did you mean SYNCD_DATABASE__URL?"),
        ("SYNCD_SYNC__DELETES_MIN_AGE", "did you mean SYNCD_SYNC__DELETES__MIN_AGE?"),
        ("SYNCD_CONFG", "did you mean SYNCD_CONFIG?"),
        ("SYNCD_TOKEN", "did you mean SYNCD_TOKENS?"),
        ("SYNCD_POL_MAX", "names are like SYNCD_DATABASE__URL; see config.example.toml"),
        ("SYNCD_DATABASE", "did you mean SYNCD_DATABASE__URL?"),
        ("SYNCD_", "names are like SYNCD_DATABASE__URL; see config.example.toml"),
    ],
)
def test_a_misspelt_variable_is_refused(problems: Callable[..., list[str]], name: str, hint: str) -> None:
    """It would be ignored silently otherwise, on any level."""
    assert [f"environment: {name}: is not a setting; {hint}"] == problems(TOKEN, ENVIRON | {name: "canary"})


@pytest.mark.parametrize(
    "name",
    [
        "SYNCD_PG_BINDIR",
        "SYNCD_TEST_ANYTHING",
        "SYNCD_SERVICE_HOST",  # Kubernetes, for a Service named syncd
        "SYNCD_SERVICE_PORT_METRICS",
        "SYNCD_PORT_9108_TCP_ADDR",
        "SYNCDX",
    ],
)
def test_other_variables_are_none_of_our_business(load: Callable[..., object], name: str) -> None:
    """They begin alike, but nobody meant a setting."""
    load(TOKEN, ENVIRON | {name: "x"})


def test_a_mistake_in_the_environment_names_the_variable(problems: Callable[..., list[str]]) -> None:
    """Not the file, where the key may be right."""
    environ = ENVIRON | {"SYNCD_DATABASE__POOL_SIZE": "canary", "SYNCD_SYNC__HISTORY__RETENTION": "canary"}
    assert [
        "environment: SYNCD_DATABASE__POOL_SIZE: must be a whole number",
        f"environment: SYNCD_SYNC__HISTORY__RETENTION: {DURATION}",
    ] == problems(TOKEN + "[database]\npool_size = 8", environ)


@pytest.mark.parametrize("value", ["canary", "[", "[" * 100_000])
def test_tokens_of_the_environment_must_be_json(problems: Callable[..., list[str]], value: str) -> None:
    """The message shows how."""
    (problem,) = problems(TOKEN, ENVIRON | {"SYNCD_TOKENS": value})
    assert problem.startswith("environment: SYNCD_TOKENS: is not valid JSON; write it like [{")
    assert "canary" not in problem


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", "tokens: must be a list of tables; begin each token with [[tokens]]"),
        ("[5]", "[[tokens]] no. 1: must be a table, with its keys on lines of their own"),
        ('[{"name": "env", "token_env": "T", "interval": 5}]', f"[[tokens]] env: interval: {DURATION}"),
    ],
)
def test_a_mistake_in_tokens_of_the_environment_is_one_line(
    problems: Callable[..., list[str]], value: str, expected: str
) -> None:
    """The same words as for the file."""
    assert [f"environment: SYNCD_TOKENS: {expected}"] == problems(TOKEN, ENVIRON | {"SYNCD_TOKENS": value})


def test_even_the_validator_s_own_error_shows_no_value() -> None:
    """Should it ever reach a traceback."""
    for model, values in (
        (Database, {"url": "mysql://u:canary@h"}),
        (Written, {"database": {"pool_size": "canary"}}),
    ):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(values)
        assert "canary" not in f"{caught.value} {caught.value!r}"


def test_all_mistakes_are_listed_at_once(problems: Callable[..., list[str]]) -> None:
    """Of every kind: names of variables, keys, values, secrets."""
    text = '[database]\nulr = 1\npool_size = 0\n[[tokens]]\nname = "a b"\n[[tokens]]\nname = "c"\ntoken_env = "GONE"'
    assert problems(text, {"SYNCD_POL_MAX": "1"}) == [
        "environment: SYNCD_POL_MAX: is not a setting; names are like SYNCD_DATABASE__URL; see config.example.toml",
        "FILE: [database] pool_size: must be at least 1",
        "FILE: [database] ulr: unknown key; did you mean url?",
        "FILE: [[tokens]] a b: name: must be 1 to 64 of A-Z a-z 0-9 . _ -",
        "FILE: [[tokens]] a b: needs exactly one of token_env, token_file, credential, but has none",
        "FILE: [[tokens]] c: environment variable GONE is not set; set it to the API token",
    ]


@pytest.mark.parametrize(
    ("written", "trimmed"),
    [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("https://h/api/v8", "https://h"),
        ("https://h:8443//api/v8//", "https://h:8443"),
        ("https://h/proxy/api/v8", "https://h/proxy"),
        ("https://h/api/v9/", "https://h"),
        ("https://h/api/v80", "https://h/api/v80"),
        ("http://localhost:80", "http://localhost:80"),
        ("http://127.9.9.9/", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_the_base_url_ends_before_the_api(load: Callable[..., object], written: str, trimmed: str) -> None:
    """However people copy it; plain http is fine on this machine."""
    settings = load(f"{TOKEN}[toggl]\nbase_url = '{written}'", ENVIRON)
    assert trimmed == settings.toggl.base_url  # type: ignore[attr-defined]


def _load_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.toml"
    path.write_bytes(content)
    load_settings(path, ENVIRON)
