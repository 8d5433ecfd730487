"""From a model's name to a `LoadedModel`: embedded, Hub id, local folder or `.gguf` file.

Only safetensors weights are read, and never code of a repository. What comes out is frozen and
in eval mode; adapters are put onto twins of it (`twin`), never onto it.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lift_chat.errors import ModelUnavailable
from lift_chat.models.attention import use_on_cpu
from lift_chat.models.catalog import EMBEDDED, EMBEDDED_NAME
from lift_chat.models.device import Device
from lift_chat.models.embedded import INSTALL, embedded_gguf, unpack_gguf
from lift_chat.models.fingerprint import fingerprint
from lift_chat.models.turns import Ends
from storage.hub.snapshots import download_snapshot

log = logging.getLogger(__name__)

EMBEDDED_WINDOW = 1024
"""Prompt tokens by default with the embedded model: what two CPU cores read in two seconds."""

DEFAULT_WINDOW = 7800
"""Prompt tokens by default elsewhere (LIFT's evaluation of 8k models, 2502.14644 section 4)."""

LINE = 64
"""Bytes of a cache line."""


@dataclass(frozen=True)
class BaseIdentity:
    """What an adapter must be used with. `revision` is a commit for Hub models, else ''.

    `reader` names the warm start merged into the weights, and `bare` is the fingerprint that they
    would have without it; both '' where there is none.
    """

    name: str
    revision: str
    fingerprint: str
    reader: str = ""
    bare: str = ""


@dataclass(frozen=True)
class LoadedModel:
    """A frozen base model. `window` is the default prompt length, `limit` the model's own, in
    tokens. `reader` is the folder of the reader in its weights, if there is one."""

    model: Any
    tokenizer: Any
    identity: BaseIdentity
    device: Device
    window: int
    limit: int
    four_bit: bool = False
    reader: Path | None = None

    @cached_property
    def ends(self) -> Ends:
        """Which tokens end a turn and a reply; every answer asks, the template is read once."""
        return Ends.of(self.model, self.tokenizer)

    def twin(self) -> Any:
        """A second module tree over the same tensors: adapters put on it leave this one as it is.

        The copy's memo maps every parameter and buffer to itself, so nothing but Python objects
        is new.
        """
        memo: dict[int, Any] = {id(tensor): tensor for tensor in self.model.parameters()}
        memo.update((id(buffer), buffer) for buffer in self.model.buffers())
        return copy.deepcopy(self.model, memo)


def load_model(
    name: str, device: Device, *, cache: Path, revision: str | None, four_bit: bool
) -> LoadedModel:
    """Loads the base model. Raises `ModelUnavailable` with what to do about it."""
    folder, shown, commit = _locate(name, cache, revision)
    if not list(folder.glob("*.safetensors")):
        raise ModelUnavailable(f"{shown} has no safetensors weights; other formats are not read.")
    model, tokenizer = _read(folder, shown, device, four_bit)
    if tokenizer.chat_template is None:
        raise ModelUnavailable(f"{shown} has no chat template: name an instruction-tuned model.")
    limit = int(getattr(model.config.get_text_config(), "max_position_embeddings", 4096))
    window = EMBEDDED_WINDOW if shown == EMBEDDED_NAME else DEFAULT_WINDOW
    return LoadedModel(
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        identity=BaseIdentity(shown, commit, fingerprint(folder)),
        device=device,
        window=min(window, limit),
        limit=limit,
        four_bit=four_bit,
    )


def _locate(name: str, cache: Path, revision: str | None) -> tuple[Path, str, str]:
    """(folder with the weights, name to show and to store, commit)."""
    if name == EMBEDDED:
        path = embedded_gguf()
        if path is None:
            raise ModelUnavailable(f"The embedded model is not installed: “{INSTALL}”.")
        return unpack_gguf(path, cache), EMBEDDED_NAME, ""
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelUnavailable(f"There is no file {name}.")
        return unpack_gguf(path, cache), path.stem, ""
    if path.is_dir():
        return path, path.resolve().name, ""
    folder = download_snapshot(name, revision)
    return folder, name, folder.name


def _read(folder: Path, shown: str, device: Device, four_bit: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": device.dtype, "use_safetensors": True}
    if four_bit:
        options["quantization_config"] = _nf4(device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, device_map={"": device.kind}, **options
        )
    except torch.OutOfMemoryError as error:
        raise ModelUnavailable(f"{shown} does not fit into the memory of {device.name}.") from error
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelUnavailable(f"{shown} cannot be loaded: {error}") from error
    if device.kind == "cpu":
        use_on_cpu(model)
        _align(model)
        if four_bit:
            _keep_packing(model)
    return model, tokenizer


def _align(model: Any) -> None:
    """Moves weights that begin where they do in their file to whole cache lines: decoding, which is
    reading weights, takes a CPU 6 % less time then."""
    for weight in model.parameters():
        if weight.data_ptr() % LINE:
            weight.data = weight.data.clone()


def _keep_packing(model: Any) -> None:
    """Stops bitsandbytes from repacking weights in place for CPU inference: a twin that trains
    reads the same bytes, at the same time."""
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _nf4(device: Device) -> Any:
    """NF4 with double quantisation, as in QLoRA (arXiv 2305.14314 section 3)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=device.dtype,
    )
