"""The language a report is written in, by a library for texts and by words where a text is short.

``und`` (ISO 639-2: undetermined) where neither can tell: ``Nodule.`` is English, French and Dutch. A manifest's own
column ``language`` goes before.
"""

import re
from collections import Counter
from functools import cache
from typing import Any

UNKNOWN = "und"
# What reports are written in; of all the 90 languages that the library knows, short texts fall to Latin or Romanian.
LANGUAGES = (
    *("en", "es", "fr", "de", "pt", "it", "nl", "ca", "gl", "eu", "pl", "cs", "sk", "hu", "ro", "hr", "sr", "sl", "bg"),
    *("ru", "uk", "el", "tr", "sv", "da", "no", "fi", "et", "lv", "lt", "zh", "ja", "ko", "ar", "he", "fa", "hi", "th"),
    *("vi", "id"),
)
SURE = 0.9  # of a language, by the library alone
LIKELY = 0.5  # where words do not tell
# Function words, and words of radiology; one that stands in two languages counts half in each.
WORDS = {
    "en": (
        "the of is are and with there was were in to for right left or not this has been from no without acute clear "
        "lung lungs heart size effusion effusions disease process unchanged stable chest mild small large seen "
        "evidence opacity upper lower lobe as a at by on be no before above contour contours silhouette changes "
        "volumes fracture fractures fluid findings cardiomegaly pneumothorax pneumonia pulmonary consolidation "
        "unremarkable within limits impression"
    ),
    "es": (
        "el la los las de del y con sin en se un una que por al es son no hay derecho derecha izquierdo izquierda "
        "derrame pulmonar pulmonares pulmón hallazgos hallazg nódulo lóbulo lobulo tórax torax cambios signos silueta "
        "cardiaca tac neumonía neumotórax radiografía patolog pacient cardiomegalia condensación senos costofrénicos "
        "libres"
    ),
    "fr": (
        "le la les l de des du d et avec sans pas un une au aux est sont droit droite gauche épanchement poumon "
        "poumons dans sur lobe lésion examen absence anomalie supérieur inférieur radio radiographie normale"
    ),
    "de": (
        "der die das und mit ohne kein keine keinen im in ist sind rechts links befund erguss pleuraerguss lunge "
        "lungen herz nicht ein eine von des zum beidseits pneumothorax unauffällig regelrecht infiltrat rundherd "
        "zeichen nachweis"
    ),
    "pt": (
        "o a os as do da dos das e com sem em no na um uma que por ao é são direito direita esquerdo esquerda achados "
        "derrame pulmões pulmonar nódulo lobo não alterações tórax cardíaca exame"
    ),
    "it": (
        "il lo la i gli le di del della dei e con senza in un una che per al è sono destro destra sinistro sinistra "
        "non versamento polmone polmoni pleurico nodulo lobo alterazioni torace nella norma"
    ),
}
_SETS = {language: frozenset(words.split()) for language, words in WORDS.items()}
_SHARED = Counter(word for words in _SETS.values() for word in words)
_WORD = re.compile(r"[^\W\d_]+")


def detect_language(text: str) -> str:
    """ISO 639-1 of a text (``en``, ``es``, ``de`` ...), or ``und`` where it shows none."""
    words = [word for word in _WORD.findall(text.casefold()) if not re.fullmatch("x{4,}", word)]
    if not words:
        return UNKNOWN
    chances: dict[str, float] = dict(_identifier().rank(" ".join(words)))
    best = max(chances, key=lambda language: chances[language])
    if chances[best] >= SURE:
        return best
    weights = {name: sum(1 / _SHARED[word] for word in words if word in known) for name, known in _SETS.items()}
    first, second = sorted(weights, key=lambda name: (-weights[name], -chances[name]))[:2]
    if weights[first] > weights[second] or (weights[first] and first == best):
        return first
    return best if chances[best] >= LIKELY else UNKNOWN


@cache
def _identifier() -> Any:
    """Loaded when first needed: .6 s."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier
