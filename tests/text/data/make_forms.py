#!/usr/bin/env python3
"""Writes forms/ beside itself: two small BPE vocabularies, the forms in which tokenizer.json files of the supported
families use them, and what Hugging Face's tokenizers library makes of texts in each form.

usage: pip install tokenizers==0.23.3; make_forms.py
"""

import copy
import json
import pathlib
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
CORPUS = [json.loads(line)["text"] for line in open(HERE / "smollm2_cases.jsonl")]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
MARK = "\u2581"


def bytes_base():
    """A vocabulary over bytes, without a token for the byte 0xC5; LLaMA 3's form."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [letter for letter in pre_tokenizers.ByteLevel.alphabet() if letter != "\u00c5"]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=480, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False))
    form = json.loads(tokenizer.to_str())
    dropped = form["model"]["vocab"].pop("\u00c5", None)  # the corpus has it
    if dropped is not None:
        form["model"]["vocab"]["dropped"] = dropped
        form["model"]["merges"] = [pair for pair in form["model"]["merges"] if "\u00c5" not in "".join(pair)]
    return form


def characters_base():
    """A vocabulary over characters with bytes to fall back on, as LLaMA 2's; LLaMA 2's classical form."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=True)
    special = ["<unk>", "<s>", "</s>"]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=560, special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)], limit_alphabet=70,
        show_progress=False))
    form = json.loads(tokenizer.to_str())
    form["added_tokens"] = [token | {"normalized": False} for token in form["added_tokens"] if token["id"] < 3]
    form["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": MARK}, {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]}
    form["pre_tokenizer"] = None
    form["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return form


def added(base, contents):
    """The base's added tokens and further ones, given as (text, options)."""
    tokens = copy.deepcopy(base["added_tokens"])
    first = max(max(base["model"]["vocab"].values()), *(token["id"] for token in tokens)) + 1
    for place, (content, options) in enumerate(contents):
        tokens.append({"id": first + place, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                       "normalized": False, "special": False} | options)
    return tokens


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": split}


def split(pattern):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}


def merge(target, patch):
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def forms(of_bytes, of_characters):
    strings = [" ".join(pair) for pair in of_bytes["model"]["merges"]]
    options = added(of_bytes, [("<left>", {"lstrip": True, "special": True}), ("<right>", {"rstrip": True}),
                               ("<both>", {"lstrip": True, "rstrip": True}), ("word", {"single_word": True}),
                               ("norm", {"normalized": True}), ("\u00e9!", {"normalized": True})])
    yield "llama3", "bytes", {"pre_tokenizer": split({"Regex": LLAMA3})}
    yield "llama3_words", "bytes", {"pre_tokenizer": split({"Regex": LLAMA3}),
                                    "model": {"ignore_merges": True, "merges": strings[:40]}}
    yield "qwen2", "bytes", {"pre_tokenizer": split({"Regex": LLAMA3.replace("{1,3}", "")}),
                             "normalizer": {"type": "NFC"}, "added_tokens": options}
    yield "smollm2", "bytes", {"model": {"merges": strings}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}}
    yield "unknown", "bytes", {"model": {"unk_token": "<|end|>"}, "added_tokens": options}
    yield "unknown_fused", "bytes", {"model": {"unk_token": "<|end|>", "fuse_unk": True}}
    yield "prefix_space", "bytes", {"pre_tokenizer": {"add_prefix_space": True}}
    yield "split_by_text", "bytes", {"pre_tokenizer": split({"String": ". "})}
    for normal_form in ("NFD", "NFKC", "NFKD"):
        yield normal_form.lower(), "bytes", {"normalizer": {"type": "Sequence", "normalizers": [{"type": normal_form}]}}
    yield "llama2", "characters", {}
    yield "llama2_added", "characters", {"added_tokens": added(of_characters, [
        ("<pad>", {"normalized": True, "special": True}), ("USER:", {})])}
    yield "llama2_words", "characters", {"model": {"ignore_merges": True,
                                                   "merges": of_characters["model"]["merges"][:80]}}
    yield "metaspace_first", "characters", {"normalizer": None, "pre_tokenizer": metaspace("first", False)}
    yield "metaspace_always", "characters", {"normalizer": None, "pre_tokenizer": metaspace("always", True)}
    yield "metaspace_never", "characters", {"normalizer": None, "pre_tokenizer": metaspace("never", False)}
    yield "no_fallback", "characters", {"model": {"byte_fallback": False},
                                        "decoder": {"decoders": [of_characters["decoder"]["decoders"][i]
                                                                 for i in (0, 2, 3)]}}


def texts(special):
    """Texts that tell the forms apart: spaces, digits, cases, marks, scripts, and the special tokens among them."""
    pieces = ["'S", "'ll", "'\u017f", "  ", "\t", "\n", "\r\n", " \n ", "\0", "\u00a0", "\u200b", "\u3000", "e\u0301",
              "\u212b", "\u1100\u1161", "\ufb01", "\uff11", "\u00bd", "0", "12", "1234", "a", "Hello", " world", "!",
              "...", ". ", "_", "\u2581", "\u0120", "<0x41>", "\u4e2d\u6587", "\u0e44\u0e17\u0e22", "\U0001f468\u200d\U0001f467",
              "\u0161", "\u0159\u0159", "word", "norm", "words", "USER:", "<pad>", "<|end|>", "</s>", "<left>"]
    random.seed(5)
    yield from ["", " ", "  ", "a", " a", "a ", MARK, MARK + "a", "\u00e9!", "e\u0301!", "a word, words", "\u017eluť"]
    for token in special:
        yield from [token, token + token, f"  {token} \n", f"a{token}b"]
    for _ in range(40):
        yield "".join(random.choice(pieces) for _ in range(random.randrange(2, 9)))


def main():
    bases = {"bytes": bytes_base(), "characters": characters_base()}
    (HERE / "forms").mkdir(exist_ok=True)
    for name, base in bases.items():
        (HERE / "forms" / f"{name}.json").write_text(json.dumps(base, ensure_ascii=True, indent=0) + "\n")
    with open(HERE / "forms" / "forms.jsonl", "w") as out:
        for name, base, patch in forms(bases["bytes"], bases["characters"]):
            form = merge(bases[base], patch)
            tokenizer = Tokenizer.from_str(json.dumps({"normalizer": None, "pre_tokenizer": None} | form))
            cases = []
            for text in dict.fromkeys(texts([token["content"] for token in form["added_tokens"]])):
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                decoded = tokenizer.decode(ids, skip_special_tokens=False)
                cases.append({"text": text, "ids": ids} | ({} if "\ufffd" in decoded else {"decoded": decoded}))
            out.write(json.dumps({"name": name, "base": base, "patch": patch, "cases": cases}) + "\n")
            print(name, len(cases), "texts")


if __name__ == "__main__":
    main()
