"""`hubsec vault`, as a person or a script meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from typer.testing import CliRunner

from hubsec import KeyFile, Passphrase
from hubsec.cli import application
from hubsec.secret import Secret
from hubsec.store import Store, ways
from hubsec.store.sealed import SecretKind

pytestmark = pytest.mark.leaves_secrets(
    "words", "other", reason="files with a passphrase, as somebody has them who starts a hub by one"
)

WORDS = "correct horse battery staple"
OTHER = "five other words by chance"
SECRET = Secret(b"sixteen bytes of")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "LOG_N", 13)
    monkeypatch.setattr(keyring.core, "_keyring_backend", NoKeyring())  # type: ignore[no-untyped-call]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Store(tmp_path / "hub") as store:
        store.seal(SecretKind.BACKUP, "one", SECRET, at=1.0)
    return tmp_path / "hub"


def run(home: Path, *arguments: str, typed: str = "", told: Path | None = None) -> Any:
    environment = {"COLUMNS": "200", "HUBSEC_PASSPHRASE_FILE": str(told) if told else ""}
    return CliRunner().invoke(
        application(), ["vault", *arguments, "--home", str(home)], input=typed, env=environment
    )


def opens(home: Path, unlock: Any) -> bool:
    with Store(home, unlock=unlock) as store:
        return store.unseal(SecretKind.BACKUP, "one") == SECRET


def written(path: Path, text: str) -> Path:
    path.write_text(f"{text}\n")
    return path


@pytest.mark.parametrize("running", [True, False])
def test_status_needs_no_key(home: Path, *, running: bool) -> None:
    if running:
        with Store(home):
            told = run(home, "status", "--json")
    else:
        (home / "hubsec.key").unlink()
        told = run(home, "status", "--json")
    assert told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    assert found.pop("since") > 1.7e9
    assert found == {"way": "file", "left": None, "sealed": {"backup": 1, "log-mark": 1}}
    shown = run(home, "status").stdout
    assert "key file" in shown
    assert "backup 1" in shown


def test_status_of_a_store_without_a_key(tmp_path: Path) -> None:
    Store(tmp_path / "hub", require_key=False).close()
    assert "nothing yet" in run(tmp_path / "hub", "status").stdout
    assert json.loads(run(tmp_path / "hub", "status", "--json").stdout)["way"] is None
    refused = run(tmp_path / "hub", "rewrap", "--to", "file")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no key" in refused.stderr


def test_a_passphrase_is_asked_for_and_not_shown(home: Path) -> None:
    done = run(home, "rewrap", "--to", "passphrase", typed=f"{WORDS}\n{WORDS}\n")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith("The store opens by a passphrase now. The key file is gone.\n")
    assert WORDS not in done.output
    assert opens(home, Passphrase(WORDS))
    told = json.loads(run(home, "status", "--json").stdout)
    assert (told["way"], told["scrypt"]) == ("passphrase", {"log_n": 13, "r": 8, "p": 1})
    # And back, asked for the one that opens it now.
    back = run(home, "rewrap", "--to", "file", typed=f"{WORDS}\n")
    assert back.exit_code == 0, back.stderr
    assert WORDS not in back.output
    assert "opens by the key file now" in back.stdout
    assert opens(home, KeyFile())


@pytest.mark.parametrize("by", ["option", "environment"])
def test_passphrases_come_from_files(home: Path, tmp_path: Path, by: str) -> None:
    words, other = written(tmp_path / "words", WORDS), written(tmp_path / "other", OTHER)
    assert run(home, "rewrap", "--to", "passphrase", "--new-passphrase-file", str(words)).exit_code == 0
    how = ["--passphrase-file", str(words)] if by == "option" else []
    again = run(
        home,
        "rewrap",
        "--to",
        "passphrase",
        "--new-passphrase-file",
        str(other),
        *how,
        told=None if how else words,
    )
    assert again.exit_code == 0, again.stderr
    assert again.stdout == "The store opens by a passphrase now.\n"
    assert opens(home, Passphrase(OTHER))


def test_a_new_key_file_is_another_one(home: Path) -> None:
    before = (home / "hubsec.key").read_bytes()
    done = run(home, "rewrap", "--to", "file")
    assert done.stdout == "The store opens by the key file now. The old key file is gone.\n"
    assert (home / "hubsec.key").read_bytes() != before
    assert opens(home, None)


@pytest.mark.parametrize(
    ("arguments", "typed", "says"),
    [
        (["--to", "keyring"], "", "does not answer"),
        (["--to", "passphrase"], "short\nshort\n", "15 characters"),
        (["--to", "passphrase", "--new-passphrase-file", "none"], "", "can't be read"),
    ],
)
def test_what_can_t_be_had_is_one_line_and_changes_nothing(
    home: Path, arguments: list[str], typed: str, says: str
) -> None:
    done = run(home, "rewrap", *arguments, typed=typed)
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "short" not in done.output.replace("too short", "")
    assert opens(home, KeyFile())


def test_a_wrong_passphrase_is_one_line(home: Path, tmp_path: Path) -> None:
    words, other = written(tmp_path / "words", WORDS), written(tmp_path / "other", OTHER)
    run(home, "rewrap", "--to", "passphrase", "--new-passphrase-file", str(words))
    done = run(home, "rewrap", "--to", "file", told=other)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "That passphrase does not open the store" in done.stderr
    assert OTHER not in done.output
    assert opens(home, Passphrase(WORDS))


def test_a_running_hub_is_in_the_way(home: Path) -> None:
    with Store(home):
        done = run(home, "rewrap", "--to", "file")
    assert done.exit_code == 1
    assert "in use by another hub" in done.stderr


class Stubborn(KeyringBackend):
    """A keyring that gives nothing back out of its hands."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[username] = password

    def delete_password(self, service: str, username: str) -> None:
        raise OSError


def test_what_is_not_gone_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", Stubborn())
    to = run(home, "rewrap", "--to", "keyring")
    assert to.stdout == "The store opens by the keyring now. The key file is gone.\n"
    away = run(home, "rewrap", "--to", "file")
    assert away.exit_code == 1
    assert away.stdout == "The store opens by the key file now.\n"
    assert "(keyring) is not all gone yet" in away.stderr
    assert opens(home, KeyFile())
    assert json.loads(run(home, "status", "--json").stdout)["left"] == "keyring"
    assert "not all gone yet" in run(home, "status").stdout
