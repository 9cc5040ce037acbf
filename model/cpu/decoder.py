"""The `Decoder` over the CPU kernels: it packs the weights, keeps the pages, and starts a pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.architecture import Architecture, Weights
from model.cpu.attention import PAGE, head_bytes
from model.cpu.choice import Chooser
from model.cpu.compiler import run_in_team, version
from model.cpu.kernels import ACTIVATIONS, LAYER, PLAN, pass_kernel
from model.cpu.pages import Pages
from model.cpu.products import BLOCK
from model.decoder import Piece
from model.engine import Precision


def can_run(architecture: Architecture, weights: Weights) -> bool:
    """Whether the kernels can do a model of these sizes; `weights` are of one of its layers."""
    n_inner, n_hidden = weights["down.weight"].shape
    return n_inner % BLOCK == n_hidden % BLOCK == architecture.head_dim % BLOCK == 0


class CpuDecoder:
    """See `Decoder`. A model as `Architecture` and weights, packed in bfloat16.

    `folder` is where compiled kernels are kept.
    """

    precision: Precision = "bfloat16"
    device = torch.device("cpu")

    def __init__(
        self,
        architecture: Architecture,
        outer: Weights,
        layers: Iterable[Weights],
        folder: Path,
    ) -> None:
        self.architecture = architecture
        self._kept: list[Tensor] = []
        """What the plan has addresses of."""
        self._kernel = pass_kernel(
            architecture.head_dim, architecture.n_heads // architecture.n_kv_heads, folder
        )
        self._plan = np.zeros(1, PLAN)
        self._plan_at = self._plan.ctypes.data
        self.next_tokens = Chooser(folder)
        self._n_inner = outer["embedding"].shape[1]
        per_page = (
            architecture.n_layers * architecture.n_kv_heads * head_bytes(architecture.head_dim)
        )
        self._pages = Pages(PAGE, per_page)
        self._rooms: dict[str, Tensor] = {}
        self._shape: tuple[int, ...] = ()
        """Of the pass that the plan is laid out for."""
        self._logits = torch.empty(0, 0)
        self._in_writing = np.zeros((4, 0), np.int64)
        """`_stories` of the last pass that had no pieces."""
        self._put_outer(outer)
        rows = [self._put_layer(weights) for weights in layers]
        self._layers = np.array(rows, LAYER)
        self._describe()

    @property
    def n_vocab(self) -> int:
        return self.architecture.n_vocab

    def forward(
        self, last: Tensor, positions: Tensor, length: int, pieces: Sequence[Piece]
    ) -> Tensor:
        """See `Decoder.forward`. Logits are float32, and lost at the next pass."""
        places = positions.tolist()
        for slot, place in enumerate(places):
            self._pages.make_room(slot, place + 1)
        stops = [length]
        for piece in pieces:
            self._pages.make_room(piece.slot, piece.stop)
            stops.append(piece.stop)
            places += range(piece.start, piece.stop)
        if pieces:
            read = torch.tensor([token for piece in pieces for token in piece.tokens])
            last, positions = torch.cat((last, read)), torch.tensor(places)
        stories = self._stories(len(places), pieces)
        return self._run(last.contiguous(), positions.contiguous(), stories, max(stops))

    def _stories(self, n_rows: int, pieces: Sequence[Piece]) -> NDArray[np.int64]:
        """First row, number of rows, last row and slot of each story in a pass: (4, S)."""
        if not pieces:
            if n_rows != self._in_writing.shape[1]:
                rows = np.arange(n_rows)
                self._in_writing = np.stack((rows, np.ones_like(rows), rows, rows))
            return self._in_writing
        counts = np.array([len(piece.tokens) for piece in pieces])
        n_writing = n_rows - counts.sum()
        slots = np.concatenate((np.arange(n_writing), [piece.slot for piece in pieces]))
        counts = np.concatenate((np.ones(n_writing, np.int64), counts))
        ends = counts.cumsum()
        return np.stack((ends - counts, counts, ends - 1, slots))

    def move(self, source: int, target: int, length: int) -> None:
        self._pages.move(source, target)

    def forget(self, slot: int) -> None:
        """Nothing: no story reads what it has not written."""

    def release(self) -> None:
        self._pages.release()
        self._rooms.clear()
        self._shape, self._logits = (), torch.empty(0, 0)

    def _run(
        self, tokens: Tensor, positions: Tensor, stories: NDArray[np.int64], length: int
    ) -> Tensor:
        """Logits of each story's last token; `length` is that of the longest story."""
        plan, n_stories = self._plan[0], stories.shape[1]
        n_pages = _up(-(-length // PAGE), 8)
        shape = len(tokens), n_stories, n_pages, torch.get_num_threads()
        if shape != self._shape:  # most passes are as the one before
            self._lay_out(*shape)
            self._shape = shape
        plan["tokens"], plan["positions"] = tokens.data_ptr(), positions.data_ptr()
        plan["stories"] = stories.ctypes.data
        table = self._pages.table
        plan["pages"], plan["pages_step"] = table.ctypes.data, table.shape[1]
        run_in_team(self._kernel, self._plan_at, shape[-1])
        return self._logits[:, : self.n_vocab]

    def _lay_out(self, n_rows: int, n_stories: int, n_pages: int, n_threads: int) -> None:
        """Put into the plan where a pass of `n_rows` tokens works."""
        plan, head_dim = self._plan[0], self.architecture.head_dim
        plan["n_rows"], plan["n_stories"] = n_rows, n_stories
        products = n_rows * self._n_inner * 2 + 64 + 2 * n_rows * BLOCK * 4
        own_bytes = _up(max(products, self._attention_bytes(n_pages)), 64)
        angles = n_rows * head_dim // 2 * 4 if self.architecture.rotary else 0
        sizes = {
            "stream": n_rows * self._n_inner * 4,
            "cosines": angles,
            "sines": angles,
            "qkv": n_rows * int(plan["n_qkv"]) * 2,
            "mixed": n_rows * self.architecture.n_heads * head_dim * 2,
            "hidden": n_rows * int(plan["n_hidden"]) * 2,
            "own": own_bytes * n_threads,
        }
        address = self._room("work", sum(_up(size, 64) for size in sizes.values())).data_ptr()
        for name, size in sizes.items():
            plan[name] = address
            address += _up(size, 64)
        plan["own_bytes"] = own_bytes
        n_logits = int(plan["n_logits"])
        logits = self._room("logits", n_stories * n_logits * 4)
        plan["logits"] = logits.data_ptr()
        self._logits = logits.view(torch.float32).view(n_stories, n_logits)

    def _attention_bytes(self, n_pages: int) -> int:
        """What a thread needs to work in, to read from so many pages."""
        architecture = self.architecture
        group = architecture.n_heads // architecture.n_kv_heads
        to_read = n_pages * group * PAGE * (4 + 2)
        return to_read + group * architecture.head_dim * (2 + 4) + group * 4 + 192

    def _room(self, name: str, n_bytes: int) -> Tensor:
        """So many bytes, the same ones from pass to pass: new ones cost the system's time."""
        if name not in self._rooms or len(self._rooms[name]) < n_bytes:
            self._rooms[name] = torch.empty(n_bytes, dtype=torch.uint8)
        return self._rooms[name][:n_bytes]

    # --- Packing ---

    def _describe(self) -> None:
        plan, architecture = self._plan[0], self.architecture
        plan["version"] = version()
        plan["n_layers"], plan["layers"] = architecture.n_layers, self._layers.ctypes.data
        plan["n_inner"] = self._n_inner
        plan["n_heads"], plan["n_kv_heads"] = architecture.n_heads, architecture.n_kv_heads
        plan["n_qkv"] = _up(
            (architecture.n_heads + 2 * architecture.n_kv_heads) * architecture.head_dim, BLOCK
        )
        plan["n_logits"] = _up(architecture.n_vocab, BLOCK)
        plan["layer_norm"] = architecture.norm == "layer"
        plan["norm_eps"] = architecture.norm_eps
        plan["gated"], plan["rotary"] = architecture.gated, architecture.rotary
        plan["activation"] = ACTIVATIONS.index(architecture.activation)

    def _put_outer(self, outer: Weights) -> None:
        plan = self._plan[0]
        plan["head"] = self._put(packed(outer["head.weight"]))
        tied = torch.equal(outer["embedding"], outer["head.weight"])
        plan["embedding"] = plan["head"] if tied else self._put(packed(outer["embedding"]))
        plan["head_bias"] = self._vector(outer, "head.bias")
        plan["places"] = self._vector(outer, "positions")
        plan["frequencies"] = self._vector(outer, "frequencies")
        plan["norm_gain"] = self._vector(outer, "norm.weight")
        plan["norm_shift"] = self._vector(outer, "norm.bias")

    def _put_layer(self, weights: Weights) -> tuple[int, ...]:
        """A row of LAYER."""
        weights = dict(weights)
        hidden = weights["down.weight"].shape[1]
        if self.architecture.gated:
            for name in ("up.weight", "up.bias"):
                if name in weights:
                    weights[name] = _in_turns(weights[name])
        self._plan[0]["n_hidden"] = hidden
        row = []
        for norm, products in (("norm1", ("qkv", "out")), ("norm2", ("up", "down"))):
            row += [self._vector(weights, f"{norm}.weight"), self._vector(weights, f"{norm}.bias")]
            for name in products:
                row.append(self._put(packed(weights[f"{name}.weight"])))
                row.append(self._vector(weights, f"{name}.bias"))
        return tuple(row)

    def _vector(self, weights: Weights, name: str) -> int:
        """The address of a float32 copy, padded to whole blocks; 0 where there is none."""
        vector = weights.get(name)
        if vector is None:
            return 0
        padding = -vector.numel() % BLOCK
        return self._put(torch.nn.functional.pad(vector.float().flatten(), (0, padding)))

    def _put(self, tensor: Tensor) -> int:
        self._kept.append(tensor)
        return tensor.data_ptr()


def packed(weight: Tensor) -> Tensor:
    """Weights (out, in) as `multiply` takes them: (out / BLOCK, in / 2, BLOCK, 2) in bfloat16.

    Outputs that a block lacks are zero.
    """
    n_outputs, n_inputs = weight.shape
    weight = torch.nn.functional.pad(weight.bfloat16(), (0, 0, 0, -n_outputs % BLOCK))
    return weight.view(-1, BLOCK, n_inputs // 2, 2).transpose(1, 2).contiguous()


def _in_turns(rows: Tensor) -> Tensor:
    """All gates, then all values -> a block of gates, then their values, and so on."""
    return rows.reshape(2, -1, BLOCK, *rows.shape[1:]).transpose(0, 1).reshape(rows.shape)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
