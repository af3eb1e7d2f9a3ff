"""Text in a code page, as programs wrote before Unicode: which one it is, by the letters of the languages.

A wrong code page gives letters that no language has together (``pøimìøen``), signs within a word (``n¢dulo``) or
capitals after small letters. On short texts a library of general frequencies errs more often than these rules:
charset-normalizer reads the Spanish of cp1252 as cp1250. Between the two for Chinese it decides.
"""

import re
import unicodedata
from string import ascii_lowercase

WINDOWS = "cp1252"  # goes before the others where it reads as well
OTHERS = (
    *("iso8859_15", "cp850", "mac_roman", "cp1250", "iso8859_2", "cp852", "cp1254"),
    *("cp1251", "cp1253", "koi8_r", "koi8_u", "cp866", "iso8859_5", "iso8859_7"),
)
JAPANESE, KOREAN, CHINESE = ("cp932", "euc_jp"), ("cp949",), ("gb18030", "big5")

# Letters beyond a to z, in lower case, by language. Portuguese has õ before e alone: elsewhere it is Hungarian misread.
ACCENTED = (
    *("áéíóúüñ", "áàâãçéêíóôúü", "àèéíïòóúüç", "àâæçéèêëîïôœùûüÿ", "àèéìíîòóùú"),  # es, pt, ca, fr, it
    *("äöüßé", "áéèëïíöóü", "æøåéó", "åäöéü"),  # de, nl, da and no, sv and fi
    *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž"),  # pl, cs, sk, hu, ro, hr
    "âçğıîöşüi̇",  # tr
)
OTHER_SCRIPTS = (
    *("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),  # ru and bg, uk
    "αάβγδεέζηήθιίϊΐκλμνξοόπρσςτυύϋΰφχψωώ",  # el
)
LETTERS = tuple(map(frozenset, (*(ascii_lowercase + more for more in ACCENTED), *OTHER_SCRIPTS)))
SIGNS = frozenset("“”‘’‚„‹›«»–—…•·°±×÷¹²³½¼¾ºª¿¡§€£¥µ´™®©‰\xa0\xad")
ODD = 0.02  # share of the words with such letters that may fit no language: names, misprints
_UNIT = re.compile(r"µ(?=[mglLsS]|Gy|Sv)")
_WORD = re.compile(r"[^\W\d_]+(?:[^\x00-\x7f\s’‘´–—·×\xad][^\W\d_]+)*")
_JOINED = re.compile(r"(?<=[a-z])[^\x00-\x7f\s](?=[a-z])", re.IGNORECASE)

Cost = tuple[int, int, int]


def decode_code_page(data: bytes) -> str | None:
    """The text, or None where no code page gives words of a language, or two of them do and differ."""
    windows = _read(data, WINDOWS)
    read = [found for page in OTHERS if (found := _read(data, page))]
    best, text = min(read, key=lambda found: found[0], default=(None, ""))
    if windows and (best is None or windows[0][:2] <= best[:2]):
        return windows[1]
    if best is None:
        return _eastern(data)
    return text if all(other == text for cost, other in read if cost == best) else None


def _read(data: bytes, page: str) -> tuple[Cost, str] | None:
    """What it costs to take the bytes for this page, and the text; None where it cannot be."""
    text = _decoded(data, page)
    if text is None:
        return None
    even = _UNIT.sub("u", unicodedata.normalize("NFC", text)).replace("õe", "oe").replace("ÕE", "OE")
    signs = sum(not char.isascii() and not char.isalpha() and char not in SIGNS for char in set(even))
    words = {word for word in _WORD.findall(even) if not word.isascii()}
    known = [sum(_fits(word, letters) for word in words) for letters in LETTERS]
    odd = signs + sum(not any(_fits(word, letters) for letters in LETTERS) for word in words)
    joined = sum(not char.isalpha() for char in _JOINED.findall(even))
    return ((odd, len(words) - max(known), joined), text) if odd <= ODD * len(words) else None


def _fits(word: str, letters: frozenset[str]) -> bool:
    """Whether a language has these letters, and the word is small, capitals, or begins with one."""
    cased = word.islower() or word[1:].islower() or word.replace("ß", "").isupper()
    return cased and set(word.lower()) <= letters


def _eastern(data: bytes) -> str | None:
    """Japanese where there is kana, Korean of nothing but Hangul, else Chinese; of nothing but their letters."""
    from charset_normalizer import from_bytes

    for pages, least, others in ((JAPANESE, "HIRAGANA", ("KATAKANA LETTER", "CJK")), (KOREAN, "HANGUL SYLLABLE", ())):
        for page in pages:
            text = _decoded(data, page) or ""
            if least in _scripts(text) and _scripts(text) <= {least, *others, "KATAKANA-HIRAGANA"}:
                return text
    found = from_bytes(data, cp_isolation=list(CHINESE)).best()
    return str(found) if found and _scripts(str(found)) == {"CJK"} else None


def _scripts(text: str) -> set[str]:
    names = {unicodedata.name(char, "") for char in text if char.isalpha() and not char.isascii()}
    scripts = ("HIRAGANA", "KATAKANA LETTER", "KATAKANA-HIRAGANA", "HANGUL SYLLABLE", "CJK")
    return {next((script for script in scripts if name.startswith(script)), name) for name in names}


def _decoded(data: bytes, page: str) -> str | None:
    try:
        return data.decode(page)
    except UnicodeDecodeError:
        return None
