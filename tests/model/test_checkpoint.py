from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import LoadedModel, ModelSource, load, weights_hash
from model.checkpoint import save as save_checkpoint
from model.engine import EngineInfo, ModelUnusable
from model.genres import DEFAULT_GENRES


def refused(folder: Path, adapter: Path | None = None) -> str:
    with pytest.raises(ModelUnusable) as caught:
        load(ModelSource("mine", folder, "a" * 40, adapter), device="cpu")
    text = str(caught.value)
    assert text.startswith("The model mine")
    assert "\n" not in text
    return text


@pytest.fixture
def copy(llama_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama_folder, tmp_path / "copy"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_info_says_what_was_loaded(llama_folder: Path) -> None:
    source = ModelSource("tiny", llama_folder, licence="MIT")
    info = load(source, device="cpu").info
    assert info == EngineInfo(
        model="tiny",
        revision=weights_hash(llama_folder),
        adapter_hash=None,
        n_parameters=sum(p.numel() for p in load(source, device="cpu").model.parameters()),
        context_length=128,
        device="cpu",
        dtype="float32",
        has_genre_tokens=False,
        licence="MIT",
    )
    assert load(source, device="cpu", dtype="bfloat16").info.dtype == "bfloat16"


def test_the_hash_tells_weights_apart(copy: Path, llama_folder: Path) -> None:
    assert weights_hash(copy) == weights_hash(llama_folder)
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert weights_hash(copy) != weights_hash(llama_folder)


@pytest.mark.parametrize("keep", [0, 5, 1000, -1])
def test_truncated_weights(copy: Path, keep: int) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    assert "cannot be loaded: " in refused(copy)


def test_missing_and_misshapen_weights(copy: Path) -> None:
    file = copy / "model.safetensors"
    weights = load_file(file)
    save_file(
        {k: v for k, v in weights.items() if "norm" not in k}, file, metadata={"format": "pt"}
    )
    assert "7 of its weights are missing, such as model." in refused(copy)
    save_file(weights | {"model.norm.weight": torch.ones(7)}, file, metadata={"format": "pt"})
    assert "cannot be loaded: " in refused(copy)


def break_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("token*"):
        file.unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def unknown_type(folder: Path) -> None:
    edit(folder / "config.json", model_type="martian")


def untrained_tokenizer(folder: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"] |= {"vocab": {}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_json, "config.json cannot be read: "),
        (no_tokenizer, "has no tokenizer: tokenizer.json is missing"),
        (broken_tokenizer, "tokenizer.json is no tokenizer: "),
        (untrained_tokenizer, "cannot encode a plain sentence"),
        (unknown_type, "cannot be loaded: "),
    ],
)
def test_broken_folders(copy: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(copy)
    assert says in refused(copy)


def test_a_gpt2_without_its_tokenizer(gpt2_folder: Path, tmp_path: Path) -> None:
    """Transformers makes up an empty tokenizer, with which every story would be empty."""
    folder = Path(shutil.copytree(gpt2_folder, tmp_path / "copy"))
    no_tokenizer(folder)
    assert "has no tokenizer: tokenizer.json is missing" in refused(folder)
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").touch()
    assert "cannot encode a plain sentence" in refused(folder)


def test_a_tokenizer_larger_than_the_embedding(copy: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(copy)
    n_rows = len(tokenizer)
    tokenizer.add_tokens(["<new>", "<newer>"])
    tokenizer.save_pretrained(copy)
    text = refused(copy)
    assert f"its tokenizer has {n_rows + 2} tokens but its embedding only {n_rows} rows" in text


def save(model: Any, folder: Path, tokenizer_from: Path) -> Path:
    model.save_pretrained(folder)
    for file in tokenizer_from.glob("token*"):
        shutil.copy(file, folder)
    return folder


def test_other_architectures(tmp_path: Path, llama_folder: Path) -> None:
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        MambaConfig,
        MambaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )

    bert = BertConfig(
        vocab_size=600, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    t5 = T5Config(vocab_size=600, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    mamba = MambaConfig(vocab_size=600, hidden_size=16, num_hidden_layers=1, state_size=4)
    folder = save(BertForMaskedLM(bert), tmp_path / "bert", llama_folder)
    assert "its architecture, BertForMaskedLM, does not continue text" in refused(folder)
    folder = save(T5ForConditionalGeneration(t5), tmp_path / "t5", llama_folder)
    assert "its architecture, T5ForConditionalGeneration, does not" in refused(folder)
    folder = save(MambaForCausalLM(mamba), tmp_path / "mamba", llama_folder)
    assert "its attention cannot use our cache" in refused(folder)


def test_a_window_of_attention_bounds_the_context(tmp_path: Path, llama_folder: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=600, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=24,
        max_position_embeddings=128,
    )  # fmt: skip
    folder = save(MistralForCausalLM(config), tmp_path / "mistral", llama_folder)
    assert load(ModelSource("m", folder), device="cpu").info.context_length == 24


def test_loading_touches_no_network(
    gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch, tied_llama_folder: Path
) -> None:
    import socket

    def connect(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    for folder in (gpt2_folder, tied_llama_folder):
        load(ModelSource("m", folder), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_device_that_is_not_there(llama_folder: Path) -> None:
    with pytest.raises(ModelUnusable, match="device is cuda, but torch sees no such GPU"):
        load(ModelSource("m", llama_folder), device="cuda")


def test_a_full_disk_is_an_oserror(llama: LoadedModel, tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: the kernel refuses the write either way."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"full cannot be written: .*File too large"):
            save_checkpoint(llama.model, llama.tokenizer, tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# --- Adapters ---


gone_from_transformers = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)


NEW_TOKENS = ["<BOS>", "<EOS>", "<PAD>", *(genre.token for genre in DEFAULT_GENRES)]


def make_adapter(base_folder: Path, folder: Path, **how: Any) -> Path:
    """A LoRA that also teaches a bare model the control tokens, as `train` will make them."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(base_folder)
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    tokenizer.add_special_tokens({"bos_token": "<BOS>", "eos_token": "<EOS>", "pad_token": "<PAD>"})
    tokenizer.add_tokens(NEW_TOKENS)
    base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = LoraConfig(
        r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, revision="a" * 40,
        task_type="CAUSAL_LM", **how,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        tuned = get_peft_model(base, config)
        for name, parameter in tuned.named_parameters():
            if "trainable_tokens_delta" in name or "modules_to_save" in name:
                torch.nn.init.normal_(parameter, std=0.5)
    tuned.save_pretrained(folder, save_embedding_layers=False)  # modules_to_save has them
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def adapter(llama_folder: Path, tmp_path: Path) -> Path:
    return make_adapter(
        llama_folder, tmp_path / "adapter", modules_to_save=["embed_tokens", "lm_head"]
    )


def assert_merged_as_peft_runs_it(base_folder: Path, adapter: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = load(ModelSource("mine", base_folder, "a" * 40, adapter), device="cpu")
    assert loaded.info.has_genre_tokens
    assert loaded.info.adapter_hash is not None and len(loaded.info.adapter_hash) == 64
    bare = AutoModelForCausalLM.from_pretrained(base_folder).eval()
    base = AutoModelForCausalLM.from_pretrained(base_folder)
    base.resize_token_embeddings(len(AutoTokenizer.from_pretrained(adapter)), mean_resizing=False)
    tuned = PeftModel.from_pretrained(base, adapter).eval()
    ids = torch.tensor([loaded.format.encode("horror", "A lonely lighthouse")])
    words = ids[:, 2:]
    with torch.no_grad():
        gap = (tuned(ids).logits - loaded.model(ids).logits).abs().max()
        n_old = bare.config.vocab_size
        change = (loaded.model(words).logits[..., :n_old] - bare(words).logits).abs().max()
    assert gap < 1e-4
    assert change > 0.1


@gone_from_transformers
def test_an_adapter_with_whole_embeddings_is_merged(llama_folder: Path, adapter: Path) -> None:
    assert_merged_as_peft_runs_it(llama_folder, adapter)


@gone_from_transformers
def test_an_adapter_with_rows_of_a_tied_embedding_is_merged(
    tied_llama_folder: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    n_old = len(AutoTokenizer.from_pretrained(tied_llama_folder))
    rows = {"embed_tokens": list(range(n_old, n_old + len(NEW_TOKENS)))}
    folder = make_adapter(tied_llama_folder, tmp_path / "rows", trainable_token_indices=rows)
    assert_merged_as_peft_runs_it(tied_llama_folder, folder)


@gone_from_transformers
def test_an_adapter_for_another_base_is_refused(
    llama_folder: Path, gpt2_folder: Path, adapter: Path
) -> None:
    assert "does not fit it" in refused(gpt2_folder, adapter)
    edit(adapter / "adapter_config.json", revision="b" * 40)
    text = refused(llama_folder, adapter)
    assert f"was made for revision {'b' * 40} of the base model, and this is {'a' * 40}" in text
    edit(adapter / "adapter_config.json", revision="main")  # the name of a branch says nothing
    load(ModelSource("mine", llama_folder, "a" * 40, adapter), device="cpu")


@gone_from_transformers
def test_a_broken_adapter_is_refused(llama_folder: Path, adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    refused(llama_folder, adapter)
