"""Our own decode loop for models of the GPT-2 and Llama kind, in torch's operations: see `Decoder`.

For GPUs, and on CPUs for what `model.cpu` does not do. Stories in writing and pieces of newcomers'
prompts go through each product together, as one row a token; only attention tells them apart. The
residual stream and the norms are float32, products and memory are in the precision of
`model.linears`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.architecture import Architecture, Weights
from model.decoder import Piece
from model.engine import Precision
from model.linears import Linear, pack
from model.sampling import next_tokens
from model.slots import Slots


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    """Norm and product in one, as `up`."""
    out: Linear
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class _Pass:
    """What all layers of one forward pass share."""

    n_rows: int
    pieces: Sequence[Piece]
    index: Tensor  # where the tokens' keys and values go
    turns: Tensor | None  # (N, heads, D / 2) complex; None without rotary positions
    window: int
    row_mask: Tensor  # (B, 1, window): added to the rows' scores
    piece_masks: list[Tensor]  # each (T, stop)


class FastDecoder:
    """A model as `Architecture` and weights, packed for `precision` on `device`."""

    next_tokens = staticmethod(next_tokens)

    def __init__(
        self,
        architecture: Architecture,
        outer: Weights,
        layers: Iterable[Weights],
        precision: Precision,
        device: torch.device,
    ) -> None:
        self.precision = precision
        self.architecture = architecture
        self._device = device
        self._activation = _ACTIVATIONS[architecture.activation]
        self._dtype = getattr(torch, precision)
        if device.type == "cpu" and precision == "float16":
            self._dtype = torch.float32  # half-precision weights there, but no arithmetic
        # The head first: packing so large a matrix takes twice its memory for a moment.
        self._head = self._normed(outer, "norm", "head")
        self._layers = [self._layer(weights) for weights in layers]
        self._embedding = _compact(outer["embedding"], precision).to(device)
        places = outer.get("positions")
        self._places = None if places is None else _compact(places, precision).to(device)
        frequencies = outer.get("frequencies")
        self._frequencies = None if frequencies is None else frequencies.float().to(device)
        self._slots = Slots(
            architecture.n_layers,
            architecture.n_kv_heads,
            architecture.head_dim,
            self._dtype,
            device,
        )

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def n_vocab(self) -> int:
        return self.architecture.n_vocab

    def forward(
        self, last: Tensor, positions: Tensor, length: int, pieces: Sequence[Piece]
    ) -> Tensor:
        """See `Decoder.forward`. Logits are float32 or as the last product gives them."""
        tokens, places, this = self._prepare(last, positions, length, pieces)
        x = self._embedding[tokens].float()  # (N, E)
        if self._places is not None:
            x += self._places[places]
        for number, layer in enumerate(self._layers):
            x += layer.out(self._attend(number, layer.qkv(x), this))
            x += layer.down(self._activate(layer.up(x)))
        return self._head(_ends(x, this))

    def move(self, source: int, target: int, length: int) -> None:
        self._slots.move(source, target, length)

    def forget(self, slot: int) -> None:
        self._slots.forget(slot)

    def release(self) -> None:
        self._slots.release()

    # --- One pass ---

    def _prepare(
        self, last: Tensor, positions: Tensor, length: int, pieces: Sequence[Piece]
    ) -> tuple[Tensor, Tensor, _Pass]:
        """Tokens (N,), their positions (N,), and what the layers share."""
        n_rows = len(last)
        tokens, places, slots = [last], [positions], [torch.arange(n_rows, device=self._device)]
        for piece in pieces:
            tokens.append(torch.tensor(piece.tokens, device=self._device))
            places.append(torch.arange(piece.start, piece.stop, device=self._device))
            slots.append(torch.full_like(places[-1], piece.slot))
        self._slots.make_room(
            max([n_rows, *(piece.slot + 1 for piece in pieces)]),
            max([length, *(piece.stop for piece in pieces)]),
        )
        window = self._slots.window(length) if n_rows else 0
        place = torch.cat(places)
        this = _Pass(
            n_rows=n_rows,
            pieces=pieces,
            index=self._slots.index(torch.cat(slots), place),
            turns=self._turns(place),
            window=window,
            row_mask=self._hidden(positions, window)[:, None],
            piece_masks=[
                self._hidden(seen, piece.stop)
                for seen, piece in zip(places[1:], pieces, strict=True)
            ],
        )
        return torch.cat(tokens), place, this

    def _hidden(self, positions: Tensor, window: int) -> Tensor:
        """(T,) -> (T, window): -inf where a position lies ahead, else 0."""
        ahead = torch.arange(window, device=self._device) > positions[:, None]
        return torch.zeros(ahead.shape, device=self._device).masked_fill_(ahead, -torch.inf)

    def _turns(self, place: Tensor) -> Tensor | None:
        """How far each pair of each head turns: (N, H + 2 KV, D / 2) complex; values do not."""
        if self._frequencies is None:
            return None
        angles = place[:, None] * self._frequencies  # (N, D / 2)
        turns = torch.polar(torch.ones_like(angles), angles)[:, None]
        n_turned = self.architecture.n_heads + self.architecture.n_kv_heads
        still = torch.ones_like(turns).expand(-1, self.architecture.n_kv_heads, -1)
        return torch.cat((turns.expand(-1, n_turned, -1), still), 1)

    def _attend(self, number: int, qkv: Tensor, this: _Pass) -> Tensor:
        """qkv (N, (H + 2 KV) * D) -> what each token reads from those it sees, (N, H * D)."""
        heads = qkv.view(len(qkv), -1, self.architecture.head_dim)  # (N, H + 2 KV, D)
        if this.turns is not None:
            pairs = torch.view_as_complex(heads.float().view(*heads.shape[:2], -1, 2))
            heads = torch.view_as_real(pairs * this.turns).flatten(2)
        n_heads = self.architecture.n_heads
        queries, states = heads[:, :n_heads].to(self._dtype), heads[:, n_heads:].to(self._dtype)
        self._slots.write(number, this.index, states.reshape(-1, self.architecture.head_dim))
        read = [self._attend_rows(number, queries[: this.n_rows], this)] if this.n_rows else []
        start = this.n_rows
        for piece, mask in zip(this.pieces, this.piece_masks, strict=True):
            stop = start + len(piece.tokens)
            read.append(self._attend_piece(number, queries[start:stop], piece, mask))
            start = stop
        return (torch.cat(read) if this.pieces else read[0]).flatten(1)

    def _attend_rows(self, number: int, queries: Tensor, this: _Pass) -> Tensor:
        """Queries (B, H, D), one token a slot -> (B, H, D).

        The query heads of one key head are one product.
        """
        n_kv = self.architecture.n_kv_heads
        keys, values = self._slots.keys_and_values(number, 0, this.n_rows, this.window)
        grouped = queries.view(len(queries), n_kv, -1, self.architecture.head_dim)  # (B, KV, G, D)
        mask = this.row_mask[:, None].expand(-1, n_kv, grouped.shape[2], -1).to(self._dtype)
        mixed = F.scaled_dot_product_attention(grouped, keys, values, mask, scale=1.0)
        return mixed.flatten(1, 2)

    def _attend_piece(self, number: int, queries: Tensor, piece: Piece, mask: Tensor) -> Tensor:
        """Queries (T, H, D) of one slot, each of which sees those up to itself -> (T, H, D)."""
        keys, values = self._slots.keys_and_values(
            number, piece.slot, piece.slot + 1, piece.stop
        )  # (1, KV, stop, D)
        mixed = F.scaled_dot_product_attention(
            queries.transpose(0, 1)[None],
            keys,
            values,
            mask.to(queries.dtype),
            scale=1.0,
            enable_gqa=self.architecture.n_heads != self.architecture.n_kv_heads,
        )
        return mixed[0].transpose(0, 1)

    def _activate(self, x: Tensor) -> Tensor:
        if not self.architecture.gated:
            return self._activation(x)
        gate, value = x.chunk(2, -1)
        return self._activation(gate).mul_(value)

    # --- Packing ---

    def _layer(self, weights: Weights) -> _Layer:
        return _Layer(
            qkv=self._normed(weights, "norm1", "qkv"),
            out=self._linear(weights, "out"),
            up=self._normed(weights, "norm2", "up"),
            down=self._linear(weights, "down"),
        )

    def _linear(self, weights: Weights, name: str) -> Linear:
        bias = weights.get(f"{name}.bias")
        weight = weights[f"{name}.weight"].to(self._device)
        return pack(weight, None if bias is None else bias.to(self._device), self.precision)

    def _normed(self, weights: Weights, norm: str, name: str) -> Linear:
        """The product `name` of what `norm` makes of its input."""
        product = self._linear(weights, name)
        gain = weights[f"{norm}.weight"].float().to(self._device)
        shape, eps = gain.shape, self.architecture.norm_eps
        if self.architecture.norm == "rms":
            return lambda x: product(F.rms_norm(x, shape, gain, eps))
        shift = weights[f"{norm}.bias"].float().to(self._device)
        return lambda x: product(F.layer_norm(x, shape, gain, shift, eps))


def _ends(x: Tensor, this: _Pass) -> Tensor:
    """The rows, and the last token of each piece: (N, E) -> (B + P, E)."""
    if not this.pieces:
        return x
    ends, stop = [], this.n_rows
    for piece in this.pieces:
        stop += len(piece.tokens)
        ends.append(stop - 1)
    return torch.cat((x[: this.n_rows], x[ends]))


def _compact(table: Tensor, precision: Precision) -> Tensor:
    """A table to look up in, in half the memory where products are rounded too.

    A copy, so that the file it is read from need not stay mapped.
    """
    if precision == "float32" or table.abs().max() > torch.finfo(torch.float16).max:
        return table.to(torch.float32, copy=True)
    return table.to(torch.float16, copy=True)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}
