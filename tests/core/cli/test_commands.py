"""The program's own commands, as a person or a script meets them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from hubsec import __version__
from hubsec.audit import Act
from hubsec.cli import application
from hubsec.cli.radios import capabilities
from hubsec.entries import Entry
from hubsec.identity import CredentialKind, Identity, Network
from hubsec.radio import Capabilities
from hubsec.secret import Secret
from hubsec.store import Store
from tests.core.stickers import zwave_codes
from tests.core.store import made

LAMP = "00:12:4b:00:00:00:00:01"
# Zigbee Base Device Behavior 3.0.1, 10.1: the specification's own example of an install code, and the link key of it.
CODE = "83FED3407A939723A5C639B26916D505C3B5"
KEY = "66B6900981E1EE3CA4206B6B861C02BB"
STICKER = f"Z:00124B0000000001$I:{CODE}"
READY_KEY = f"link key: {KEY}"


def run(*arguments: str, stdin: str | bytes | None = None) -> Any:
    return CliRunner().invoke(application(), list(arguments), input=stdin, env={"COLUMNS": "200"})


def failed(result: Any) -> str:
    """The one line that a failure is told in."""
    assert result.exit_code == 1
    assert result.stdout == ""
    line, end = result.stderr.split("\n")
    assert end == ""
    assert line.startswith("hubsec: ")
    return str(line)


# Stickers


@pytest.mark.parametrize("way", ["argument", "stdin"])
@pytest.mark.parametrize(
    ("text", "options", "device", "form", "checked"),
    [
        (STICKER, [], LAMP, "fields", True),
        (CODE, [], None, "plain", True),
        (CODE, ["--device", LAMP.upper()], LAMP, "plain", True),
        (READY_KEY, ["--device", LAMP], LAMP, "plain", False),
    ],
    ids=["qr code", "code alone", "code and device", "ready key"],
)
def test_a_sticker_is_told_without_its_key(
    way: str, text: str, options: list[str], device: str | None, form: str, *, checked: bool
) -> None:
    given = [text] if way == "argument" else []
    stdin = text + "\n" if way == "stdin" else None
    result = run("sticker", "check", *given, *options, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["device"], told["form"], told["code_checked"]) == (device, form, checked)
    plain = run("sticker", "check", *given, *options, stdin=stdin)
    assert plain.exit_code == 0
    assert (device or "not said") in plain.stdout
    assert ("right" in plain.stdout) is checked
    for secret in (KEY, CODE, CODE[:-4]):
        assert secret.casefold() not in (result.output + plain.output).casefold()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STICKER.replace("C3B5", "C3B6"), "CRC"),
        ("", "empty"),
        ("23784-25413-01234-56789-01234-56789-01234", "PIN"),
        ("9" * 5000, "longer"),
    ],
    ids=["wrong code", "nothing", "z-wave", "too long"],
)
def test_a_sticker_that_can_not_be_taken_is_one_line(text: str, says: str) -> None:
    for result in (run("sticker", "check", stdin=text), run("sticker", "check", text, "--json")):
        line = failed(result)
        assert says in line
        assert CODE[:12] not in line


@pytest.mark.parametrize(
    ("text", "lines", "checked"),
    [
        (
            zwave_codes.qr(keys="129"),
            [
                "by itself, by SmartStart",
                "s0, s2-unauthenticated",
                "0x0086, firmware 1.10",
                "Z-Wave and Long Range",
            ],
            True,
        ),
        (
            zwave_codes.qr(version="00", keys="000", blocks=zwave_codes.PRODUCT),
            ["by hand", "for no security class", "0x0086", "range:   Z-Wave\n"],
            True,
        ),
        (f"DSK: {zwave_codes.PRINTED}", ["without a checksum: read it twice"], False),
    ],
    ids=["smart start", "s2", "dsk"],
)
def test_a_z_wave_sticker_is_told_without_its_pin(text: str, lines: list[str], *, checked: bool) -> None:
    result, plain = run("sticker", "check", "--json", stdin=text), run("sticker", "check", stdin=text)
    told = json.loads(result.stdout)
    assert (told["network"], told["device"], told["code_checked"]) == ("zwave", zwave_codes.TAIL, checked)
    assert (told["product"] is not None) is checked
    for line in [zwave_codes.TAIL, "network: zwave", *lines]:
        assert line in plain.stdout
    for secret in (zwave_codes.PIN, zwave_codes.DSK.hex()[:4]):
        assert secret not in result.output + plain.output


def test_a_sticker_of_another_device_is_refused() -> None:
    assert "another device" in failed(run("sticker", "check", STICKER, "--device", "00:12:4b:00:00:00:00:99"))
    assert "EUI64" in failed(run("sticker", "check", STICKER, "--device", "lamp"))


def test_what_is_no_text_is_one_line() -> None:
    assert "UTF-8" in failed(run("sticker", "check", stdin=b"\xff\xfe"))


# The allowlist


def entry(**fields: Any) -> Entry:
    given: dict[str, Any] = {
        "device": Identity(LAMP),
        "network": Network.ZIGBEE,
        "credential": CredentialKind.INSTALL_CODE,
        "label": "Hall lamp",
        "approved_by": "Ada",
        "approved_at": 1_700_000_000.0,
    }
    return Entry(**{**given, **fields})


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "hub") as opened:
        yield opened


@pytest.mark.parametrize("running", [True, False], ids=["a hub has it open", "nobody has"])
def test_the_allowlist_is_told_without_its_keys(store: Store, tmp_path: Path, *, running: bool) -> None:
    store.put(entry(), Secret(bytes.fromhex(KEY)), by="Ada", at=1.0)
    hostile = entry(
        device=Identity("00:12:4b:00:00:00:00:02"), label="[red]plug[/red]", expires_at=1e30, joined_at=1.0
    )
    store.put(hostile, Secret(bytes.fromhex(KEY)), by="Ada", at=1.0)
    if not running:
        store.close()
    shown = run("allowlist", "list", "--home", str(tmp_path / "hub"))
    assert shown.exit_code == 0, shown.stderr
    for text in (LAMP, "Hall lamp", "has not joined yet", "[red]plug[/red]", "2023-11-14 by Ada", "?"):
        assert text in shown.stdout
    listed = run("allowlist", "list", "--home", str(tmp_path / "hub"), "--json")
    assert [one["device"] for one in json.loads(listed.stdout)["entries"]][1] == LAMP
    assert KEY.casefold() not in (shown.output + listed.output).casefold()


def test_an_empty_allowlist_says_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSEC_HOME", str(tmp_path / "hub"))
    assert "Nobody" in run("allowlist", "list").stdout
    assert store.entries() == {}


@pytest.mark.parametrize("what", ["missing", "a file", "an empty database", "another database"])
def test_a_store_that_can_not_be_read_is_one_line(tmp_path: Path, what: str) -> None:
    home = tmp_path / "hub"
    match what:
        case "a file":
            home.write_text("x")
        case "an empty database":
            home.mkdir()
            (home / "hubsec.db").touch()
        case "another database":
            home.mkdir()
            (home / "hubsec.db").write_bytes(b"no database" * 100)
        case _:
            pass
    before = sorted(tmp_path.rglob("*"))
    failed(run("allowlist", "list", "--home", str(home)))
    assert sorted(tmp_path.rglob("*")) == before


# The program


def test_a_command_that_does_not_exist_is_a_mistake_in_the_call() -> None:
    result = run("allowlist", "burn")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


@pytest.mark.parametrize("way", ["version", "--version"])
def test_the_version_is_told_either_way(way: str) -> None:
    result = run(way)
    assert result.exit_code == 0
    assert result.stdout == f"{__version__}\n"


def test_the_program_says_what_it_is_for() -> None:
    assert "Zigbee or Z-Wave network" in run("--help").stdout


def test_the_table_of_radios_fits_a_terminal_and_shows_every_note() -> None:
    result = CliRunner().invoke(application(), ["radios"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    overview = lines[: lines.index("What is behind it:")]
    words = " ".join(result.stdout.split())
    table = capabilities()
    assert len(table) > 5
    for row in table:
        (line,) = [line for line in overview if line.split()[:1] == [row.library]]
        held = [getattr(row, field) for field in Capabilities.__struct_fields__[2:]]
        told = line.split()[2 if row.enforced else 3 :]
        assert told == [capability.support.value for capability in held]
        assert all(capability.note.split()[0] in words for capability in held if capability.note)


def test_the_table_of_radios_as_json_is_all_of_it() -> None:
    told = json.loads(run("radios", "--json").stdout)
    assert told == json.loads(msgspec.json.encode(capabilities()))


# The audit log


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A store with an entry, of [b]Ada[/b]'s, a decision and a signature."""
    folder = tmp_path / "logged"
    with Store(folder) as store:
        store.put(made.entry(label="[b]Lamp[/b]"), made.KEY, by="[b]Ada[/b]", at=1.0)
        store.record(made.record(at=86400.0))
        store.change(made.LAMP, {"quarantined": "It behaves oddly."}, by="hubsec", at=2.0)
        store.append(store.log.act(Act(act="evict", by="Ada", reason="Sold."), 3.0))
        store.checkpoint(at=4.0)
    return folder


def test_a_log_is_verified_against_what_was_kept_elsewhere(logged: Path, tmp_path: Path) -> None:
    home, kept = ["--home", str(logged)], tmp_path / "kept"
    kept.write_text(run("audit", "checkpoint", *home).stdout)
    key = run("audit", "key", *home).stdout.strip()
    result = run("audit", "verify", *home)
    assert result.exit_code == 0
    assert "5 records, 1 to 5: whole." in result.stdout
    assert "Signed up to record 4; 1 is behind that." in result.stdout
    assert f"Key: {key}" in result.stdout
    assert "--checkpoint" in result.stdout
    told = json.loads(run("audit", "verify", *home, "--checkpoint", str(kept), "--key", key, "--json").stdout)
    assert (told["whole"], told["signed_to"], told["keys"]) == (True, 5, [key])
    with sqlite3.connect(logged / "hubsec.db") as connection:
        connection.execute("DROP TRIGGER audit_goes_from_its_beginning")
        connection.execute("DELETE FROM audit WHERE seq = 5")
    connection.close()
    assert "no signature is left" in failed(run("audit", "verify", *home))
    line = failed(run("audit", "verify", *home, "--checkpoint", str(kept)))
    assert "newest records are missing" in line
    result = run("audit", "verify", *home, "--checkpoint", str(kept), "--json")
    assert result.exit_code == 1
    assert {**json.loads(result.stdout), "reason": ""} == {
        "whole": False,
        "seq": 5,
        "fault": "cut",
        "reason": "",
    }
    assert "can't be read" in failed(run("audit", "verify", *home, "--checkpoint", str(tmp_path / "none")))
    accepted = run("audit", "accept", *home, "--by", "Ada", "--reason", "It was me.").stdout
    assert accepted.startswith(
        "Accepted, and on record: The audit log is damaged: The newest records are missing"
    )
    assert "Nothing was found wrong" in run("audit", "accept", *home).stdout
    assert "log-accepted: It was me." in run("audit", "show", *home, "--kind", "act").stdout


def test_an_export_is_lines_of_json_that_verify(logged: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.write_bytes(run("audit", "export", "--home", str(logged)).stdout_bytes)
    lines = [json.loads(line) for line in export.read_text().splitlines()]
    assert [line.get("kind") for line in lines] == [None, "change", "decision", "change", "act", "checkpoint"]
    assert "5 records, 1 to 5: whole." in run("audit", "verify", "--export", str(export)).stdout
    export.write_bytes(export.read_bytes().replace(b"Sold.", b"Lost."))
    assert "Record 4 was changed" in failed(run("audit", "verify", "--export", str(export)))
    some = run(
        "audit", "export", "--home", str(logged), "--since", "1", "--kind", "act", "--kind", "decision"
    )
    export.write_bytes(some.stdout_bytes)
    result = run("audit", "verify", "--export", str(export))
    assert "2 records, 2 to 4: whole." in result.stdout
    assert "1 more were left out" in result.stdout
    assert "None of them is signed" in result.stdout
    export.write_bytes(run("audit", "export", "--home", str(logged)).stdout_bytes)
    assert "the vault was not asked" in run("audit", "verify", "--export", str(export)).stdout


def test_what_somebody_else_wrote_into_the_log_is_no_traceback(logged: Path) -> None:
    connection = sqlite3.connect(logged / "hubsec.db", isolation_level=None)
    connection.execute("DROP TRIGGER audit_stands")
    connection.execute("UPDATE audit SET body = '{}' WHERE seq > 1")
    connection.execute("UPDATE data_key SET wrapped_at = 1e300")
    home = ["--home", str(logged)]
    assert "not what hubsec writes" in run("audit", "show", *home).stdout
    assert "?" in run("vault", "status", *home).stdout
    connection.execute("UPDATE audit SET kind = 'gossip' WHERE seq = 2")
    connection.close()
    result = run("audit", "export", *home)
    assert result.exit_code == 1
    assert "Record 2 was changed" in result.stderr


def test_a_log_is_shown_to_people(logged: Path) -> None:
    shown = run("audit", "show", "--home", str(logged)).stdout
    for words in (
        "added: [b]Lamp[/b]",
        "[b]Ada[/b] (api)",
        "hubsec (hub)",
        "1970-01-02 00:00:00",
        "deny to join: Nothing is open. [closed]",
        "quarantined: [b]Lamp[/b]: It behaves oddly.",
        "evict: Sold.",
        "signed 4",
    ):
        assert words in shown
    newest = run("audit", "show", "--home", str(logged), "--limit", "1").stdout
    assert "signed 4" in newest
    assert "evict" not in newest
    some = run("audit", "show", "--home", str(logged), "--since", "1", "--kind", "change").stdout
    assert "quarantined" in some
    assert "added" not in some
    assert "no such record" in run("audit", "show", "--home", str(logged), "--kind", "event").stdout


def test_an_empty_log_is_whole(tmp_path: Path) -> None:
    Store(tmp_path / "empty").close()
    home = ["--home", str(tmp_path / "empty")]
    assert "no record yet" in run("audit", "verify", *home).stdout
    assert "has yet to make" in failed(run("audit", "checkpoint", *home))
    assert "no store" in failed(run("audit", "verify", "--home", str(tmp_path / "nowhere")))
