"""What a card says its network scores: the sentence and the share of right answers in it."""

import re
from dataclasses import dataclass

MOST_CLAIMS = 8
LONGEST = 300  # characters of a sentence that is kept

SENTENCE = re.compile(r"[^.\n]*(?:\.\d[^.\n]*)*(?:\.|\n|$)")
MEASURE = re.compile(r"top[- ]?1|accuracy|acc\b|accurate|\breports?\b", re.IGNORECASE)
# Top-5 figures and errors are claims of something else.
OTHER = re.compile(r"(top[- ]?5|error)[^%]*$", re.IGNORECASE)
PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?|100(?:\.0+)?)\s*%")
SHARE = re.compile(r"accuracy\s*[:=]\s*(0\.\d+|1\.0+)\b", re.IGNORECASE)
ERROR = re.compile(r"^\s*\)?\s*(?:top[- ]?\d\s*)?error", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement of an accuracy, as its card words it."""

    value: float  # share of right answers, 0..1
    sentence: str


def find_claims(text: str) -> tuple[Claim, ...]:
    """Find what a card says of top-1 accuracy, in the order of the text.

    Only a share that follows a word for accuracy in the same sentence counts; top-5 and errors are
    left out.
    """
    claims: list[Claim] = []
    for match in SENTENCE.finditer(text):
        sentence = match[0].strip()
        value = _share(sentence)
        if value is not None:
            claims.append(Claim(value=value, sentence=sentence[:LONGEST]))
            if len(claims) == MOST_CLAIMS:
                break
    return tuple(claims)


def _share(sentence: str) -> float | None:
    if not MEASURE.search(sentence):
        return None
    if share := SHARE.search(sentence):
        return float(share[1])
    for percent in PERCENT.finditer(sentence):
        before, after = sentence[: percent.start()], sentence[percent.end() :]
        if not OTHER.search(before) and not ERROR.match(after):
            return round(float(percent[1]) / 100, 6)
    return None
