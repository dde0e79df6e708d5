"""What transformers' CLIPTokenizer makes of 2,400 strings, with a small vocabulary in both layouts.

The strings are put together from fragments by integers that Rust makes as well, so only token ids are kept.
"""

import json
import pathlib
import tempfile

import torch
from integers import fractions
from transformers import CLIPTokenizer

STRINGS = 2400
PLACE = pathlib.Path(__file__).resolve().parents[2] / "server" / "paint" / "tests" / "references"
START, END = "<|startoftext|>", "<|endoftext|>"

# Words in several scripts, composed and not, signs, joined emoji, blanks of all kinds, and what looks like a special
# token. Merges are learnt from them, so some are one token, some a few, some only bytes.
FRAGMENTS = [
    "", "a", "photo of", "an astronaut", "riding", "horse", "the horse's", "don't", "WE'LL", "they've", "I'd", "it's",
    "cat", "cats", "concatenate", "1", "42", "2024", "3.14", "16:9", "4k", "8K", ",", ", ", ".", "...", "!", "!!", "?!",
    "-", "--ar", "(", ")", "((", "[x]", "{y}", "<lora:a:0.8>", "#tag", "@you", "100%", "$5", "a_b", "a/b", "c:\\d", "\"q\"",
    "“quoted”", "l’été", "café", "cafe\u0301", "naïve", "nai\u0308ve", "ÅNGSTRÖM", "A\u030angstro\u0308m", "ﬁne", "ﬀ", "ß",
    "STRASSE", "ẞ", "İstanbul", "ıx", "ΣΊΣΥΦΟΣ", "σς", "Привет", "МИР", "ёж", "й", "и\u0306", "שלום", "שָׁלוֹם",
    "مرحبا", "العربية", "हिन्दी", "நன்றி", "สวัสดี", "猫", "可愛い", "カタカナ", "ガ", "カ\u3099", "한국어", "한", "漢字", "中文，标点。",
    "𠮷野家", "😀", "🎨🖼️", "👩‍🚀", "👨‍👩‍👧‍👦", "🇩🇪", "🏳️‍🌈", "❤️", "☃", "⭐", "→", "∑", "½", "²", "Ⅷ", "①", "٣", "५", "٪",
    " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\u0085", "\u2028", "\u001f",
    "\u0000", "\u007f", "\u00ad", "\ufffd", "\ue000", "\U0010ffff", START, END, "<|startoftext", "endoftext|>", "<|END|>",
    "</w>", "Ġ", "masterpiece", "best quality", "highly detailed", "oil painting", "by", "of", "in", "the", "style",
]


def bytes_to_letters():
    """The printable letter that stands for each byte (Radford et al., 2019)."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        if byte in kept:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return letters


def vocabulary(merges_wanted=420):
    """Byte letters, the same at the end of a word, merges, and the two special tokens with the highest numbers."""
    letters = bytes_to_letters()
    words = {}
    for fragment in FRAGMENTS:
        for word in fragment.lower().split():
            parts = [letters[byte] for byte in word.encode()]
            parts[-1] += "</w>"
            words[tuple(parts)] = words.get(tuple(parts), 0) + 1
    merges = []
    while len(merges) < merges_wanted:
        counts = {}
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + count
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        merged = {}
        for word, count in words.items():
            parts, at = [], 0
            while at < len(word):
                if word[at:at + 2] == best:
                    parts.append(word[at] + word[at + 1])
                    at += 2
                else:
                    parts.append(word[at])
                    at += 1
            merged[tuple(parts)] = merged.get(tuple(parts), 0) + count
        words = merged
    tokens = [letters[byte] for byte in sorted(letters)]
    tokens += [token + "</w>" for token in tokens]
    for first, second in merges:
        if first + second not in tokens:
            tokens.append(first + second)
    tokens += [START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def strings():
    out = list(FRAGMENTS)
    for at in range(STRINGS - len(out)):
        picks = fractions(f"string {at}", 40)
        count = 1 + int((picks[0] + 1) / 2 * 12)
        if at % 50 == 0:
            count = 39
        # A third of them without blanks between.
        joint = "" if at % 3 == 0 else " "
        chosen = [FRAGMENTS[int((pick + 1) / 2 * len(FRAGMENTS))] for pick in picks[1:count + 1].astype(float)]
        out.append(joint.join(chosen))
    return out


def references():
    vocab, merges = vocabulary()
    folder = PLACE / "tokenizer"
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[tuple(merge) for merge in merges], model_max_length=77)
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save_pretrained(saved)
        again = CLIPTokenizer.from_pretrained(saved)
        names = sorted(path.name for path in pathlib.Path(saved).iterdir())
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (PLACE / "tokenizer-json").mkdir(exist_ok=True)
            (PLACE / "tokenizer-json" / name).write_text((pathlib.Path(saved) / name).read_text())
    texts = strings()
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert ids == [again(text, add_special_tokens=False)["input_ids"] for text in texts]
    windows = tokenizer(texts[-200:], padding="max_length", truncation=True, max_length=77)["input_ids"]
    tensors = {
        "ids": torch.tensor([token for row in ids for token in row], dtype=torch.int16),
        "lengths": torch.tensor([len(row) for row in ids], dtype=torch.int16),
        "windows": torch.tensor(windows, dtype=torch.int16),
    }
    print(f"tokenizer: {len(vocab)} tokens, {max(map(len, ids))} in the longest string, saved as {names}")
    return tensors, {"strings": STRINGS, "fragments": FRAGMENTS}
