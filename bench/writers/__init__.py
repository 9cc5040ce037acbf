"""Ways of writing many stories at once: our engine and its peers, each in a module of its own.

A writer's libraries are imported as it is opened, never here.
"""

from __future__ import annotations

from importlib import import_module

from bench.errors import BenchError
from bench.writers.base import Writer

ENGINE = "engine"
PIPELINE = "pipeline"
_CLASSES = {
    ENGINE: "bench.writers.engine:EngineWriter",
    PIPELINE: "bench.writers.pipeline:PipelineWriter",
    "generate": "bench.writers.generate:GenerateWriter",
    "llama-cpp": "bench.writers.llama_cpp:LlamaCppWriter",
    "openvino": "bench.writers.openvino:OpenVinoWriter",
    "ctranslate2": "bench.writers.ctranslate2:CTranslate2Writer",
    "products": "bench.writers.products:ProductsWriter",
}
PEERS = tuple(name for name in _CLASSES if name != ENGINE)


def writer(name: str) -> Writer:
    """A new writer by its name. Raises BenchError."""
    if name not in _CLASSES:
        raise BenchError(f"There is no peer {name}; there are {', '.join(PEERS)}")
    module, _, title = _CLASSES[name].partition(":")
    made: Writer = getattr(import_module(module), title)()
    return made
