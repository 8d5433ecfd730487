"""How an adapter is loaded elsewhere: lines of Python for plain PEFT, and of a shell for here.

The lines are run by a test as they stand. Every value in them is a literal, whatever it holds.
"""

from __future__ import annotations

import shlex

from lift_chat.foreign_values import as_text
from lift_chat.models.catalog import EMBEDDED
from lift_chat.models.prompts import frame, user
from lift_chat.sharing.card_facts import CardFacts
from lift_chat.sharing.markdown import one_line

LOCAL_BASE = "PATH/TO/BASE"
READER_FOLDER = "reader"
DTYPES = ("float32", "float16", "bfloat16")
AS_TRAINED = "autocast_adapter_dtype=False"
"""PEFT would compute a half-precision adapter in fp32; it was trained in the base's dtype."""


def plain_peft(facts: CardFacts, repo: str) -> str:
    """Loads `tokenizer` and `model` with nothing but transformers and PEFT."""
    options = f', revision="{facts.base_revision}"' if facts.base_revision else ""
    base = f'"{facts.base_hub_id or LOCAL_BASE}"{options if facts.base_hub_id else ""}'
    dtype = as_text(facts.metrics.get("dtype"))
    typed = f', dtype="{dtype}"' if dtype in DTYPES else ""
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({base})",
        f"model = AutoModelForCausalLM.from_pretrained({base}{typed})",
    ]
    if facts.reader:
        lines += [
            f'read = PeftModel.from_pretrained(model, "{repo}", subfolder="{READER_FOLDER}", '
            f"{AS_TRAINED})",
            "model = read.merge_and_unload()",
        ]
    lines.append(f'model = PeftModel.from_pretrained(model, "{repo}", {AS_TRAINED})')
    return "\n".join(lines)


def asking(facts: CardFacts) -> str:
    """Asks what `plain_peft` has loaded, in the words that were trained."""
    turn = user(frame(one_line(facts.title), "Who is this about?"))
    return "\n".join(
        [
            f"turns = [{turn!r}]",
            "prompt = tokenizer.apply_chat_template(",
            "    turns, add_generation_prompt=True, enable_thinking=False,",
            '    return_dict=True, return_tensors="pt",',
            ")",
            "said = model.generate(**prompt, max_new_tokens=100, do_sample=False)",
            'answer = said[0, prompt["input_ids"].shape[1] :]',
            "print(tokenizer.decode(answer, skip_special_tokens=True))",
        ]
    )


def here(facts: CardFacts, repo: str) -> str:
    """The same with lift-chat."""
    chosen = EMBEDDED if facts.base_is_copy else facts.base_hub_id
    base = ["--base-model", chosen] if chosen else []
    name = one_line(facts.name)
    marked = ["--", name] if name.startswith("-") else [name]
    return f"lift-chat pull {repo}\n{shlex.join(['lift-chat', 'chat', *base, *marked])}"
