"""Adapters and archives that nobody should take in, each different from a good one in one thing.

A maker changes a good parcel (a folder, `parcel`) or a good archive in place. Makers are run where
nothing is at stake; what they made is inspected elsewhere.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.sharing.facts import FACTS_FILE, SharedFacts
from lift_chat.sharing.parcel import STUDY
from storage.files import sha256_of

PICKLE = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
"""Runs a command where it is opened."""
HOST_FILE = "/etc/hostname"

Maker = Callable[[Path], object]


@dataclass(frozen=True)
class Evil:
    """`reason` is a pattern in the sentence that refuses it."""

    make: Maker
    reason: str


def reseal(folder: Path) -> None:
    """So that what is refused is refused for itself, and not for its hash."""
    told = SharedFacts.from_json((folder / FACTS_FILE).read_bytes())
    files = {name: sha256_of(folder / name) for name in told.files}
    (folder / FACTS_FILE).write_bytes(replace(told, files=files).to_json())


def config(**changes: Any) -> Maker:
    def change(folder: Path) -> None:
        path = folder / CONFIG_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        reseal(folder)

    return change


def told(**changes: Any) -> Maker:
    def change(folder: Path) -> None:
        path = folder / FACTS_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Maker:
    def changed(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS_FILE)
        change(weights)
        save_file({n: t.contiguous() for n, t in weights.items()}, folder / WEIGHTS_FILE)
        reseal(folder)

    return changed


def raw(name: str, change: Callable[[bytes], bytes], *, sealed: bool = True) -> Maker:
    def changed(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        if sealed:
            reseal(folder)

    return changed


def header(change: Callable[[str], str]) -> Maker:
    """Of the weights, as text; its length is put right, and the numbers stay as they are."""

    def changed(data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        new = change(data[8:end].decode()).encode()
        return struct.pack("<Q", len(new)) + new + data[end:]

    return raw(WEIGHTS_FILE, changed)


def described(change: Callable[[dict[str, Any]], object]) -> Maker:
    """`change` is given what the header says of each tensor, in the order of their places."""

    def changed(text: str) -> str:
        known = json.loads(text)
        known.pop("__metadata__", None)
        ordered = dict(sorted(known.items(), key=lambda item: item[1]["data_offsets"]))
        change(ordered)
        return json.dumps(ordered)

    return header(changed)


def first(names: Mapping[str, Any], part: str) -> str:
    return next(name for name in sorted(names) if part in name)


def spoil(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        weights[first(weights, "lora_A")][0, 0] = value

    return change


def fatten(weights: dict[str, torch.Tensor]) -> None:
    name = first(weights, "lora_A")
    weights[name] = torch.zeros(512, weights[name].shape[1])


def recast(kind: torch.dtype) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        name = first(weights, "lora_B")
        weights[name] = weights[name].to(kind)

    return change


def twice(text: str) -> str:
    """A tensor that stands in the header again, with the same place: the library takes that."""
    name, values = next((n, v) for n, v in json.loads(text).items() if n != "__metadata__")
    return f"{text.rstrip()[:-1]}, {json.dumps(name)}: {json.dumps(values)}}}"


def overlap(known: dict[str, Any]) -> None:
    one, other = list(known)[:2]
    known[other]["data_offsets"] = known[one]["data_offsets"]
    known[other]["shape"] = known[one]["shape"]


def link_out(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    os.symlink(HOST_FILE, folder / WEIGHTS_FILE)


def second_name(folder: Path) -> None:
    os.link(folder / WEIGHTS_FILE, folder.parent / f"{folder.name}-{WEIGHTS_FILE}")


def huge(name: str) -> Maker:
    """100 MB of nothing: sparse, so that it costs no disk."""

    def change(folder: Path) -> None:
        os.truncate(folder / name, 100_000_000)

    return change


def with_study(line: bytes) -> Maker:
    def change(folder: Path) -> None:
        (folder / STUDY).parent.mkdir()
        (folder / STUDY).write_bytes(line)

    return change


def another_document(folder: Path) -> None:
    (folder / "document").mkdir()
    (folder / "document/original.txt").write_text("The lamp.")


def two_documents(folder: Path) -> None:
    (folder / "document").mkdir()
    for kind in ("txt", "md"):
        (folder / f"document/original.{kind}").write_text("The lamp.")


ITEM = {
    "question": "Who?", "answer": "Sable", "start": 0, "end": 5, "evidence": "", "kind": "fact",
    "origin": "model",
}  # fmt: skip

ADAPTERS: dict[str, Evil] = {
    "a pickle beside": Evil(
        lambda f: (f / "adapter_model.bin").write_bytes(PICKLE), "does not belong"
    ),
    "a pickle as weights": Evil(raw(WEIGHTS_FILE, lambda _: PICKLE), "header"),
    "code": Evil(lambda f: (f / "modeling.py").write_text("import os"), "does not belong"),
    "a nested folder": Evil(lambda f: (f / "deep").mkdir(), "does not belong"),
    "a pipe": Evil(lambda f: os.mkfifo(f / STUDY.rpartition("/")[2]), "does not belong"),
    "a name written backwards": Evil(
        lambda f: (f / "\u202egpj.sesnesnetefas").touch(), "does not belong"
    ),
    "a twin in capitals": Evil(lambda f: (f / CONFIG_FILE.upper()).touch(), "does not belong"),
    "no weights": Evil(lambda f: (f / WEIGHTS_FILE).unlink(), "is missing"),
    "no config": Evil(lambda f: (f / CONFIG_FILE).unlink(), "is missing"),
    "no word of what it is": Evil(lambda f: (f / FACTS_FILE).unlink(), "is missing"),
    "a link out of it": Evil(link_out, "does not belong"),
    "a file with a second name": Evil(second_name, "does not belong"),
    "a class to import": Evil(
        config(auto_mapping={"base_model_class": "system", "parent_library": "os"}), "auto_mapping"
    ),
    "modules_to_save": Evil(config(modules_to_save=["lm_head"]), "modules_to_save"),
    "dora": Evil(config(use_dora=True), "use_dora"),
    "a bias": Evil(config(bias="all"), "not loaded here: bias"),
    "a bias of its own": Evil(config(lora_bias=True), "lora_bias"),
    "another scaling": Evil(config(use_rslora=True), "use_rslora"),
    "a scaling by layer": Evil(config(alpha_pattern={"q_proj": 64}), "alpha_pattern"),
    "a rank by layer": Evil(config(rank_pattern={"q_proj": 4}), "rank_pattern"),
    "turned matrices": Evil(config(fan_in_fan_out=True), "fan_in_fan_out"),
    "a start that changed the base": Evil(config(init_lora_weights="pissa"), "init_lora_weights"),
    "tokens of its own": Evil(config(trainable_token_indices=[1]), "trainable_token_indices"),
    "doubled layers": Evil(config(layer_replication=[[0, 2], [0, 2]]), "layer_replication"),
    "what a later version invents": Evil(config(use_quantum=True), "use_quantum"),
    "a giant rank": Evil(config(r=100_000), "rank"),
    "a rank that is no number": Evil(config(r=True), "rank"),
    "an alpha that is no number": Evil(config(lora_alpha="1e999"), "alpha"),
    "an alpha without end": Evil(
        raw(CONFIG_FILE, lambda d: d.replace(b'"lora_alpha": 16', b'"lora_alpha": 1e999')),
        "1e999 is no number",
    ),
    "targets as an expression": Evil(config(target_modules="(a+)+$"), "target modules"),
    "an expression among the targets": Evil(config(target_modules=["(a+)+$"]), "target modules"),
    "an expression for layers": Evil(
        config(layers_to_transform=[0], layers_pattern="(a+)+$"), "layers_pattern"
    ),
    "expressions by the thousand": Evil(
        config(layers_to_transform=[0], layers_pattern=[f"layer{n}" for n in range(1000)]),
        "layers_pattern",
    ),
    "another kind of PEFT": Evil(config(peft_type="PROMPT_TUNING"), "LoRA"),
    "another task": Evil(config(task_type="SEQ_CLS"), "task_type"),
    "a key twice": Evil(raw(CONFIG_FILE, lambda d: d.rstrip()[:-1] + b', "r": 8}'), "twice"),
    "NaN in the config": Evil(
        raw(CONFIG_FILE, lambda d: d.replace(b'"r": 8', b'"r": NaN')), "NaN is no number"
    ),
    "a number of a thousand digits": Evil(
        raw(CONFIG_FILE, lambda d: d.replace(b'"r": 8', b'"r": ' + b"8" * 1000)), "is no number"
    ),
    "half a character": Evil(
        raw(CONFIG_FILE, lambda d: d.replace(b'"r": 8', b'"r": "\\ud800"')), "cannot be read"
    ),
    "nesting without end": Evil(raw(CONFIG_FILE, lambda _: b"[" * 100_000), "cannot be read"),
    "a list": Evil(raw(CONFIG_FILE, lambda _: b"[]"), "not a JSON object"),
    "another encoding": Evil(
        raw(CONFIG_FILE, lambda d: d.decode().encode("utf-16")), "cannot be read"
    ),
    "a config of 100 MB": Evil(huge(CONFIG_FILE), "allowed"),
    "a word of 100 MB": Evil(huge(FACTS_FILE), "allowed"),
    "a header of 100 MB": Evil(
        raw(WEIGHTS_FILE, lambda d: struct.pack("<Q", 100 << 20) + d[8:]), "header of 104,857,600"
    ),
    "a header that is no JSON": Evil(header(lambda t: "x" + t[1:]), "header .* cannot be read"),
    "a tensor twice": Evil(header(twice), "twice"),
    "overlapping tensors": Evil(described(overlap), "overlap"),
    "a negative shape": Evil(
        described(lambda d: d[next(iter(d))].update(shape=[-8, -32])), "impossible shape"
    ),
    "a shape larger than its place": Evil(
        described(lambda d: d[next(iter(d))].update(shape=[8, 1 << 40])), "not as large"
    ),
    "a cut file": Evil(raw(WEIGHTS_FILE, lambda d: d[:-8]), "header .* follow it"),
    "a tail": Evil(raw(WEIGHTS_FILE, lambda d: d + b"tail"), "header .* follow it"),
    "nothing": Evil(raw(WEIGHTS_FILE, lambda _: b""), "header"),
    "NaN among the weights": Evil(tensors(spoil(float("nan"))), "not finite"),
    "infinity among the weights": Evil(tensors(spoil(float("inf"))), "not finite"),
    "a matrix of another rank": Evil(tensors(fatten), "not of rank"),
    "whole numbers": Evil(tensors(recast(torch.int8)), "kind that is not used"),
    "double precision": Evil(tensors(recast(torch.float64)), "kind that is not used"),
    "half a layer": Evil(tensors(lambda w: w.pop(first(w, "lora_B"))), "other half"),
    "no layer": Evil(tensors(lambda w: w.clear()), "other half"),
    "a tensor more": Evil(
        tensors(lambda w: w.update({"head.weight": torch.ones(2)})), "config lacks"
    ),
    "a head of its own": Evil(
        tensors(lambda w: w.update({"base_model.model.lm_head.weight": torch.ones(2, 2)})),
        "config lacks",
    ),
    "flipped bits": Evil(
        raw(WEIGHTS_FILE, lambda d: d[:-1] + b"\x01", sealed=False), "sha256"
    ),
    "another kind told": Evil(told(kind="gated-memory"), "gated memory"),
    "an unknown kind": Evil(told(kind="magic"), "unknown kind"),
    "a future format": Evil(told(format_version=2), "format"),
    "a base without fingerprint": Evil(told(base_fingerprint="x"), "base_fingerprint"),
    "a base that is written backwards": Evil(told(base_model="\u202eevil"), "base_model"),
    "a base of many lines": Evil(told(base_model="tiny\n\n# Sign in here"), "base_model"),
    "a revision that is a command": Evil(told(base_revision="x; rm -rf"), "base_revision"),
    "an entry too many": Evil(told(owner="root"), "owner"),
    "two documents": Evil(two_documents, "more than one document"),
    "another document": Evil(another_document, "not the one that"),
    "questions that are none": Evil(with_study(b'{"question": 1}\n'), "study questions"),
    "a question of another origin": Evil(
        with_study(json.dumps({**ITEM, "origin": "root"}).encode() + b"\n"), "origin"
    ),
}  # fmt: skip


def bare(make: Maker) -> Maker:
    """Without our own word: as plain PEFT would have left it."""

    def change(folder: Path) -> None:
        make(folder)
        (folder / FACTS_FILE).unlink()

    return change


FOREIGN: dict[str, Evil] = {
    "a base of ten thousand letters": Evil(
        bare(config(base_model_name_or_path="x" * 10_000)), "base_model_name_or_path"
    ),
    "a base that is no text": Evil(
        bare(config(base_model_name_or_path={"a": 1})), "base_model_name_or_path"
    ),
    "a base in colours": Evil(
        bare(config(base_model_name_or_path="\x1b[31mtiny")), "base_model_name_or_path"
    ),
    "a revision of many lines": Evil(bare(config(revision="main\nevil")), "revision"),
    "foreign code to import": Evil(
        bare(config(task_type=None, auto_mapping={"parent_library": "antigravity"})),
        "auto_mapping",
    ),
    "all linear layers as a word": Evil(bare(config(target_modules="all-linear")), "by name"),
    "a foreign pickle": Evil(
        bare(lambda f: (f / WEIGHTS_FILE).rename(f / "adapter_model.bin")), "does not belong"
    ),
    "a foreign NaN": Evil(bare(tensors(spoil(float("nan")))), "not finite"),
}
"""Taken in as what another program made."""


def rewrite(file: Path, changes: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**content, **changes}.items():
            archive.writestr(name, data)


def added(name: str, data: bytes = b"x", mode: int = 0) -> Maker:
    def change(file: Path) -> None:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(entry, data)

    return change


def renamed(old: str, new: str) -> Maker:
    """Byte by byte, for names that no packer would write."""

    def change(file: Path) -> None:
        assert len(old) == len(new)
        file.write_bytes(file.read_bytes().replace(old.encode(), new.encode()))

    return change


def hidden_end(file: Path) -> None:
    """Allowed up to its first NUL, where Python's reader stops to look."""
    added(f"{STUDY}_.exe")(file)
    renamed(f"{STUDY}_.exe", f"{STUDY}\0.exe")(file)


def again(name: str) -> Maker:
    """The same name a second time."""

    def change(file: Path) -> None:
        added(name[:-1] + "_")(file)
        renamed(name[:-1] + "_", name)(file)

    return change


def many(count: int) -> Maker:
    def change(file: Path) -> None:
        with zipfile.ZipFile(file, "a") as archive:
            for number in range(count):
                archive.writestr(f"document/{number}.txt", b"")

    return change


def zeros(name: str, size: int) -> Maker:
    def change(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, bytes(size))

    return change


def lying(file: Path) -> None:
    """Its header says little, and it unpacks to much."""
    zeros(FACTS_FILE, 64 << 20)(file)
    data = bytearray(file.read_bytes())
    size = (64 << 20).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (10).to_bytes(4, "little")
    file.write_bytes(data)


def flagged(bit: int) -> Maker:
    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        at = data.find(b"PK\x01\x02")
        data[at + 8] |= bit
        file.write_bytes(data)

    return change


def packed_by(method: int) -> Maker:
    def change(file: Path) -> None:
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr(CONFIG_FILE, b"{}")

    return change


def nested(file: Path) -> None:
    added("document/original.zip", file.read_bytes())(file)


def prefixed(file: Path) -> None:
    file.write_bytes(b"#!/bin/sh\necho evil; exit\n" + file.read_bytes())


def shared_bytes(file: Path) -> None:
    """Two entries over one place, as in bombs that grow by the number of their files."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(CONFIG_FILE, b"{}")
        twin = zipfile.ZipInfo(FACTS_FILE)
        known = archive.infolist()[0]
        for name in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
            setattr(twin, name, getattr(known, name))
        archive.filelist.append(twin)
        archive.NameToInfo[twin.filename] = twin


ARCHIVES: dict[str, Evil] = {
    "a way out": Evil(added("../evil.json"), "not taken"),
    "a way out below": Evil(added("document/../../evil.json"), "not taken"),
    "an absolute name": Evil(added("/tmp/evil.json"), "not taken"),
    "a drive": Evil(added("C:evil.json"), "not taken"),
    "a share": Evil(renamed(FACTS_FILE, "\\\\evil\\ab.json"), "not taken"),
    "a way out for another system": Evil(renamed(FACTS_FILE, "..\\evil12.json"), "not taken"),
    "a name that ends early": Evil(renamed(FACTS_FILE, "lift_chat\0json"), "not taken"),
    "a name with more behind its end": Evil(hidden_end, "not taken"),
    "a name written backwards": Evil(added("document/\u202etxt.py"), "not taken"),
    "a letter that looks alike": Evil(added("аdapter_config.json"), "not taken"),
    "a folder": Evil(added("document/"), "not taken"),
    "a link": Evil(added("document/original.txt", b"/etc/passwd", 0o120777), "not taken"),
    "a device": Evil(added("document/original.txt", b"", 0o060600), "not taken"),
    "a pickle": Evil(added("adapter_model.bin", PICKLE), "not taken"),
    "an archive in it": Evil(nested, "not taken"),
    "a name in two cases": Evil(added(FACTS_FILE.upper()), "twice"),
    "a name twice": Evil(again(FACTS_FILE), "twice"),
    "too many": Evil(many(10), "too many"),
    "a hundred thousand": Evil(many(100_000), "too many"),
    "a bomb by its ratio": Evil(zeros(WEIGHTS_FILE, 64 << 20), "far more"),
    "a bomb that lies": Evil(lying, "unpack"),
    "a bomb of shared bytes": Evil(shared_bytes, "same bytes"),
    "locked": Evil(flagged(1), "not taken"),
    "patched": Evil(flagged(32), "unpacked"),
    "another packer": Evil(packed_by(zipfile.ZIP_LZMA), "not taken"),
    "a script before it": Evil(prefixed, "before or behind"),
    "a tail": Evil(lambda f: f.write_bytes(f.read_bytes() + b"<html>evil</html>"), "behind"),
    "no archive": Evil(lambda f: f.write_bytes(b"%PDF-1.7"), "unpacked"),
    "half of it": Evil(lambda f: f.write_bytes(f.read_bytes()[:200]), "unpacked"),
    "an empty one": Evil(lambda f: zipfile.ZipFile(f, "w").close(), "before or behind|missing"),
    "nothing but a config": Evil(packed_by(zipfile.ZIP_DEFLATED), "is missing"),
}
