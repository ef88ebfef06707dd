"""Every test here has a keyring of its own, a folder for its store, and a derivation that costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubsec.store import ways
from tests.core.store.unlocking.stage import Kept, use


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept()
    use(monkeypatch, kept)
    # As much work as nothing: what is tried here is not how long guessing takes.
    monkeypatch.setattr(ways, "LOG_N", 13)
    monkeypatch.delenv("HUBSEC_PASSPHRASE_FILE", raising=False)
    return kept


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"
