"""Characters: what Unicode has many of becomes one of ASCII, and at the end only letters stay."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from spoken_form.rewriting import Rule, rewrite

_ONE_OF_MANY: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bb\u02bc\u00b4\u0060\u2032\uff07", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\uff0d", "-"),
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u0153": "oe",
        "\u0152": "Oe",
        "\u00df": "ss",
        "\u00f8": "o",
        "\u00d8": "O",
        "\u0142": "l",
        "\u0141": "L",
        "\u0131": "i",
        "\u00f0": "d",
        "\u00d0": "D",
        "\u0111": "d",
        "\u0110": "D",
        "\u00fe": "th",
        "\u00de": "Th",
        "\u00b2": " squared",
        "\u00b3": " cubed",
        "\u2122": "",
        "\u00ad": "",
        "\u00ba": "\u00b0",
        "\u2116": "No. ",
        "\u2044": "/",
    }
)
_BEFORE_FRACTION_SIGN: Final = re.compile("(?<=[0-9])(?=[\u00bc-\u00be\u2150-\u215e])")
_COMBINING: Final = re.compile("[\u0300-\u036f]+")

_LETTERS: Final[tuple[Rule, ...]] = (
    (re.compile(r"[^a-z']+"), " "),
    (re.compile(r"(?<![a-z])'+|'+(?![a-z])"), ""),
)


def fold_characters(text: str) -> str:
    """Accents off, quotation marks and dashes plain, ligatures, wide forms and ½ taken apart."""
    if text.isascii():
        return text.replace("`", "'")
    text = _BEFORE_FRACTION_SIGN.sub(" ", text).translate(_ONE_OF_MANY)
    text = _COMBINING.sub("", unicodedata.normalize("NFKD", text))
    return text.translate(_ONE_OF_MANY)


def letters_only(text: str) -> str:
    """The words of ``text``: a-z and inner apostrophes, single spaces."""
    return " ".join(rewrite(text.lower(), _LETTERS).split())
