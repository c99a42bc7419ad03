"""Which language a text is in, for IFEval's language instructions: by script, then by the script's commonest function words.

Deliberately small: it decides between the languages the instructions name, needs no model file, and its verdict never varies.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from evalsuite.errors import DataError

_SCRIPT_OF_LANGUAGE = {
    "bn": "BENGALI", "gu": "GUJARATI", "he": "HEBREW", "kn": "KANNADA", "ko": "HANGUL", "ml": "MALAYALAM",
    "pa": "GURMUKHI", "ta": "TAMIL", "te": "TELUGU", "th": "THAI", "ja": "KANA", "zh": "CJK",
}  # fmt: skip
"""Languages that are alone in their script."""

_FUNCTION_WORDS = {
    "LATIN": {
        "en": "the be to of and that have it for not on with he as you do at this but his by from they we say her she or an "
        "will my one all over would there their is are was were has had i me your our can if in what so who which when",
        "de": "der die das und ist nicht ein eine zu den von mit auf für im sich des dem dass sie er es wir ihr auch als an",
        "es": "el la los las de que y en un una es no se por con para su al lo como más pero sus le ya o este sí porque muy",
        "fi": "ja on ei se että hän oli mutta ovat kun niin joka myös tai voi ole tämä sen hänen kuin ne minä sinä mitä",
        "fr": "le la les de des et est un une que en il elle ne pas pour dans ce qui sur au avec son se plus par je vous nous",
        "it": "il lo la gli le di che e è un una in non per con sono si da al del della più come ma anche nel questo ho",
        "pl": "i w nie na się z do to że jest o jak ale po co tak za od by być go dla są czy tym może przez oraz",
        "pt": "o a os as de que e do da em um uma é não para com por se na no mais como mas ao dos das ele seu sua você",
        "sw": "na ya wa kwa ni la za katika kama hii hiyo yake wake ili pia lakini au huu hizi kuwa sana cha vya kutoka",
        "vi": "và là của có không được cho một trong với người các để những này đã khi tôi bạn đến như về từ rất sẽ",
    },
    "DEVANAGARI": {
        "hi": "है हैं का की के में और को से पर यह नहीं एक था थे कि जो तो भी हो आप कर लिए ने वह रहा गया",
        "mr": "आहे आहेत आणि च्या मध्ये हे हा ही नाही ते तो तर आहेस असे साठी एक त्या केले होते करा मी या आपण व",
        "ne": "छ छन् र को मा लाई गर्न यो हो पनि छैन एक थियो भने हुन् गर्नुहोस् तपाईं हामी छु मेरो गरी तथा बाट",
    },
    "ARABIC": {
        "ar": "في من على إلى أن هذا هذه التي الذي كان لا ما مع عن هو هي أو ثم قد كل بعد لم يا إن لكن بين",
        "fa": "در از به که را این است با برای آن یک خود تا بر هم نیز می شود بود ما کرد شما دارد اما کند های من",
        "ur": "کے کی کا میں ہے اور سے کو ہیں پر نے یہ ایک اس بھی کہ نہیں تھا ہو کر لیے جو وہ آپ ہم تو ہوں گیا",
    },
    "CYRILLIC": {
        "bg": "и на да се за е от в с не че по си са ще до като той това към при или ние ви един който във със",
        "ru": "и в не на что я с он как это по но они мы она из у за то все так его для вы от же бы о был",
        "uk": "і в не на що я з він як це та до ви від у за то все так його для ми є але був про її або ще",
    },
}  # fmt: skip
_WORDS_OF = {
    script: {language: frozenset(words.split()) for language, words in languages.items()}
    for script, languages in _FUNCTION_WORDS.items()
}
_SCRIPT_WITH_CHOICE = {language: script for script, languages in _WORDS_OF.items() for language in languages}
_ENGLISH_SHARE = 0.1
_ENGLISH_ENDING = re.compile(r"(?:ings?|ights?|ics|ness|tions?)$")
_KANA = {"HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA"}


def is_english(text: str) -> bool:
    """Whether a text, in any case, reads as English: one word in ten at least is an English function word or has an English
    ending, and no other language of the script has more function words in it.

    Lists of names and single words therefore do not count, as they do not for the published evaluation.
    """
    found = _words(text)
    marks = sum(word in _WORDS_OF["LATIN"]["en"] or _ENGLISH_ENDING.search(word) is not None for word in found)
    others = max(sum(word in words for word in found) for code, words in _WORDS_OF["LATIN"].items() if code != "en")
    return len(found) > 1 and marks / len(found) >= _ENGLISH_SHARE and marks >= others


def is_in_language(text: str, language: str) -> bool:
    """Whether most of a text is in the language with this ISO 639-1 code.

    Raises:
        DataError: the code is not one that can be told.
    """
    script = dominant_script(text)
    if language in _SCRIPT_OF_LANGUAGE:
        return script == _SCRIPT_OF_LANGUAGE[language]
    if language not in _SCRIPT_WITH_CHOICE:
        known = ", ".join(sorted({*_SCRIPT_OF_LANGUAGE, *_SCRIPT_WITH_CHOICE}))
        raise DataError(f"language {language!r} cannot be told; known: {known}")
    if script != _SCRIPT_WITH_CHOICE[language]:
        return False
    counts = Counter(_words(text))
    hits = {code: sum(counts[word] for word in words) for code, words in _WORDS_OF[script].items()}
    return hits[language] > 0 and hits[language] == max(hits.values())


def dominant_script(text: str) -> str | None:
    """Name of the script most letters belong to, None without letters; any kana makes Chinese characters Japanese."""
    scripts: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            script = unicodedata.name(letter, "UNKNOWN").split(" ")[0]
            scripts[_KANA.get(script, script)] += count
    if scripts["KANA"] and scripts["CJK"]:
        scripts["KANA"] += scripts.pop("CJK")
    return scripts.most_common(1)[0][0] if scripts.total() else None


def _words(text: str) -> list[str]:
    """Runs of letters with their combining marks, in lower case."""
    return re.findall(r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u0903\u093a-\u094f][^\W\d_]*)*", text.lower())
