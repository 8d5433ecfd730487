"""Brings index and folders together: what a kill, a lost disk page or a restored backup left.

Folders are the truth. A folder without a row gets one, unless it was deleted or its job was
discarded; a row without its folder says so. Knows nothing of a damaged database file.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from storage import adapters, documents, files, jobs, manifest, owners
from storage.adapter_facts import AdapterFacts
from storage.errors import NotFound
from storage.manifest import BadManifest, Manifest
from storage.store import Store, unbury
from storage.values import is_id, to_json

log = logging.getLogger(__name__)

_UNUSABLE = (BadManifest, KeyError, TypeError, ValueError, sqlite3.Error)


@dataclass(frozen=True)
class Findings:
    """What was put right. `missing` counts adapters whose files are gone or incomplete."""

    documents: int = 0
    adapters: int = 0
    missing: int = 0
    quarantined: int = 0
    set_aside: str = ""
    """Name of the damaged database file, if there was one."""

    def sentence(self) -> str:
        parts = [
            f"{self.documents} documents and {self.adapters} adapters were indexed again",
            f"{self.missing} adapters miss their files",
            f"{self.quarantined} folders were put into quarantine",
        ]
        aside = f"; the damaged index is kept as {self.set_aside}" if self.set_aside else ""
        return ", ".join(parts) + aside + "."


def reconcile(store: Store) -> Findings:
    """Idempotent, and cheap where nothing is wrong: no file but the manifests is opened."""
    with store.read() as db:
        deleted = {row["id"] for row in db.query("SELECT id FROM tombstones")}
    indexed, bad_documents = _reconcile_documents(store, deleted)
    registered, bad_adapters = _reconcile_adapters(store, deleted)
    _forget_deletions(store, deleted)
    return Findings(
        documents=indexed,
        adapters=registered,
        missing=_mark_missing(store),
        quarantined=bad_documents + bad_adapters,
    )


def _forget_deletions(store: Store, deleted: set[str]) -> None:
    """Clears the tombstones of what is gone; where something is still there, they stay."""
    for item in deleted:
        cards = store.documents.glob(f"*/{owners.NAME}/{item}.json")
        if not (store.adapters / item).exists() and not any(cards):
            unbury(store, item)


def _reconcile_documents(store: Store, deleted: set[str]) -> tuple[int, int]:
    indexed = quarantined = 0
    for folder in sorted(store.documents.iterdir()):
        try:
            manifest.check_sizes(folder, manifest.read(folder, documents.KIND))
            indexed += _index_cards(store, folder, deleted)
        except _UNUSABLE as error:
            log.warning("document folder %s: %s", folder.name, error)
            files.quarantine(folder, store.staging)
            quarantined += 1
    return indexed, quarantined


def _index_cards(store: Store, folder: Path, deleted: set[str]) -> int:
    """Makes a row of each card that has none; gives their number."""
    rows = {row["owner"]: row for row in documents.cards(store, folder.name)}
    indexed, found, dead = 0, set(), []
    owners.remove_drafts(folder)
    for path, card in owners.cards(folder):
        if card["id"] in deleted:
            dead.append(card["id"])
        elif card["owner"] not in rows:
            documents.insert(store, folder, card)
            rows[card["owner"]] = card
            indexed += 1
        elif rows[card["owner"]]["id"] != card["id"]:
            owners.adopt(folder, card["id"], by=rows[card["owner"]]["id"])
            path.unlink()
        found.add(card["id"])
    for row in rows.values():
        if row["id"] not in found:
            owners.write_card(folder, row)
    for document_id in dead:
        documents.clear(store, folder.name, document_id)
    if not rows:
        files.remove_folder(folder, store.staging)
    ids = [*dead, *(row["id"] for row in rows.values())]
    owners.quarantine_strangers(folder, ids, store.staging)
    return indexed


def _reconcile_adapters(store: Store, deleted: set[str]) -> tuple[int, int]:
    registered = quarantined = 0
    with store.read() as db:
        known = {row["id"] for row in db.query("SELECT id FROM adapters")}
    for folder in sorted(store.adapters.iterdir()):
        if folder.name in deleted:
            adapters.clear(store, folder.name)
        elif folder.name not in known:
            try:
                registered += _register(store, folder)
            except _UNUSABLE as error:
                log.warning("adapter folder %s: %s", folder.name, error)
                files.quarantine(folder, store.staging)
                quarantined += 1
    return registered, quarantined


def _register(store: Store, folder: Path) -> bool:
    """Whether the folder became an adapter; if not, its job was discarded, and so is the folder.

    A kill between rename and transaction leaves such a folder, and its job running: the job is
    done then, and must not run again.
    """
    sealed, facts = _read_adapter(folder)
    with store.write() as db:
        wanted = _insert_recovered(db, facts, sealed)
    if not wanted:
        files.remove_folder(folder, store.staging)
    return wanted


def _read_adapter(folder: Path) -> tuple[Manifest, AdapterFacts]:
    sealed = manifest.read(folder, adapters.KIND)
    facts = AdapterFacts.of(sealed)
    if facts.id != folder.name or not is_id(facts.id):
        raise BadManifest(f"this is the folder of adapter {facts.id}")
    manifest.check_sizes(folder, sealed)
    return sealed, facts


def _insert_recovered(db: Database, facts: AdapterFacts, sealed: Manifest) -> bool:
    alone = replace(facts, job_id="")
    try:
        job = jobs.one(db, facts.job_id, facts.owner)
    except NotFound:
        # No job, or the index with its jobs was lost.
        adapters.insert(db, alone, sealed)
        if is_id(facts.job_id):
            _restore_job(db, facts)
        return True
    if job.state == "cancelled" or job.request == "discard":
        return False
    if job.adapter_id is not None:
        raise BadManifest(f"its job made adapter {job.adapter_id}")
    adapters.insert(db, alone, sealed)
    jobs.adopt(db, job, facts.id)
    return True


def _restore_job(db: Database, facts: AdapterFacts) -> None:
    """The job that made the adapter, so that nobody absorbs the document a second time."""
    row: dict[str, Any] = {
        "id": facts.job_id,
        "owner": facts.owner,
        "document_id": facts.document_id,
        "adapter_id": facts.id,
        "name": facts.name,
        "base_model": facts.base_model,
        "recipe": to_json(facts.recipe),
        "studied": facts.studied,
        "state": "done",
        "place": 0,
        "created_at": facts.created_at,
        "finished_at": facts.created_at,
    }
    # Another owner's job cannot be overwritten by a manifest that names it.
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT OR IGNORE INTO jobs ({names}) VALUES ({marks})", [*row.values()])


def _mark_missing(store: Store) -> int:
    """Sets the state of every adapter by looking for its files; gives how many are missing."""
    with store.read() as db:
        states = {row["id"]: row["state"] for row in db.query("SELECT id, state FROM adapters")}
    missing = 0
    for adapter_id, state in states.items():
        actual = "missing"
        with suppress(BadManifest):
            _read_adapter(store.adapters / adapter_id)
            actual = "ready"
        missing += actual == "missing"
        if actual != state:
            with store.write() as db:
                sql = "UPDATE adapters SET state = ? WHERE id = ?"
                db.execute(sql, [actual, adapter_id])
    return missing
