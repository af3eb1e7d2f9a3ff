"""Sentences of a report that are not findings: who was told, who signed, regards. Only sure ones are taken out."""

import re

# What may stand before "discussed with": words of no finding.
_ABOUT = (
    r"(?:\W*\b(?:these|this|the|above|all|of|that|preliminary|critical|important|urgent|emergent|unexpected|"
    r"significant|positive|pertinent|final|new|initial|abnormal|findings?|results?|impressions?|report|information|"
    r"observations?|recommendations?|case|images?|study|exam(?:ination)?|was|were|are|is|has|have|been|be|will|and|or|"
    r"i|we|it|they|personally|also|immediately|directly|verbally|then|subsequently|mentioned|described|telephone|"
    r"phone|call|page|wet|read)\b)*\W*"
)
_TOLD = (
    r"(?:discussed|communicated|relayed|conveyed|reported|telephoned|phoned|called|paged|e-?mailed|notified|given)\b"
)
_WHOM = (
    r"(?:with|to|by|in|via)\b.{0,80}?(?:\bDrs?\b|\bdoctors?\b|\bphysicians?\b|\bM\.?D\b|\bnurse|\bR\.?N\b|\bN\.?P\b|"
    r"\bP\.?A\b|\bteam\b|\bstaff\b|\bclinicians?\b|\bproviders?\b|\bsurgeons?\b|\bresidents?\b|\bcolleagues?\b|"
    r"\bE[RD]\b|\bICU\b|\bfloor\b|\bservice\b|\b(?:tele)?phone\b|\bpager?\b|\bin person\b|\bemergency\b|__)"
)
_ARZT = r"(?:\b[Dd]r\b|[Ää]rzt|[Aa]rzt|[Kk]olleg|[Ss]tation|telefonisch|[Zz]uweis|[Ss]tationsarzt|[Nn]otaufnahme)"
_MEDICO = (
    r"(?:\bdra?\b|\bdoctora?\b|m[eé]dic[oa]|cl[ií]nic[oa]|urgencias|facultativ|tel[eé]fono|telef[oó]nicamente|"
    r"planta\b)"
)
_MEDECIN = r"(?:\bdr\b|docteur|m[eé]decin|interne\b|urgences|t[eé]l[eé]phon|clinicien|correspondant|service)"

NOTES = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"{_ABOUT}{_TOLD}.{{0,40}}?\b{_WHOM}",
        r"\W*(?:the )?(?:Drs?\b\.?|doctor|(?:referring|ordering|treating|covering|emergency|responsible) \w+|nurse|"
        r"team|(?:clinical|primary|surgical|icu|ed) team|_{2,})[^.!?]{0,20}?(?:\.[^.!?]{0,40}?)?\b(?:was|were|is|"
        r"has been|have been) (?:immediately |directly |verbally |personally )?(?:informed|notified|called|paged|"
        r"made aware|alerted|contacted|telephoned|aware)\b",
        r"\W*Drs?\b\.? ?[^\W\d]\w*(?: [^\W\d]\w*)? (?:paged|notified|informed|called|contacted|alerted|aware)\b",
        r"\W*(?:I|we)\b(?!-).{0,60}\b(?:agree|concur|attest|personally reviewed|supervised)\b",
        r"\W*(?:(?:electronically|digitally) )?(?:signed|dictated|transcribed|verified|approved|finalized|"
        r"authenticated)(?: (?:and|electronically|but not \w+|&) ?\w*)* (?:by|on|electronically)\b",
        r"\W*(?:read|interpreted|reviewed)(?: (?:and \w+|electronically))* by\b",
        r"\W*(?:this|the) (?:report|document) (?:was|has been|is) (?:electronically |digitally )?(?:dictated|signed|"
        r"created|generated|transcribed|prepared|interpreted|reviewed|verified|approved|finalized)\b",
        r"\W*(?:thank you (?:very much )?for|(?:with )?(?:kind|best|warm) regards|yours (?:sincerely|faithfully)|"
        r"sincerely|dear (?:dr|colleague|sir))\b",
        r"\W*end (?:of )?(?:the )?(?:report|impression|addendum)\W*$",
        r"\W*(?:(?:los |estos )?(?:hallazgos?|resultados?) )?(?:se (?:ha |han )?(?:informa|avisa|comunica|comenta|"
        r"notifica)\w*|(?:han? sido |fue(?:ron)? |ha sido )?(?:informad|avisad|comunicad|comentad|"
        r"notificad)[oa]s?)\b.{0,60}?"
        rf"(?:\ba(?:l)?\b|\bcon\b|\bpor\b|\btelef).{{0,20}}?{_MEDICO}",
        rf"\W*(?:el |la )?{_MEDICO}.{{0,40}}\b(?:fue|ha sido|es) (?:informad|avisad|notificad|contactad)[oa]\b",
        r"\W*(?:firmado|validado|dictado|transcrito|informe (?:firmado|validado))(?: electr[oó]nicamente|"
        r" digitalmente)? (?:por|el)\b",
        r"\W*(?:(?:un )?(?:cordial )?saludos?|atentamente|agradeciendo su|gracias por)\b",
        rf"\W*(?:(?:les|ces|ce) )?(?:r[eé]sultats?|constatations?|compte[- ]rendu)?\W*(?:a |ont |est |"
        rf"sont )?(?:[eé]t[eé] )?(?:communiqu|transmis|discut|t[eé]l[eé]phon|appel)\w*\b.{{0,40}}?{_MEDECIN}",
        rf"\W*(?:le )?{_MEDECIN}.{{0,40}}\b(?:a [eé]t[eé]|est) (?:inform|pr[eé]ven|avert|appel|contact)\w*",
        r"\W*(?:sign|valid|dict|r[eé]dig)[eé](?: [eé]lectroniquement)? (?:par|le)\b",
        r"\W*(?:(?:bien )?(?:confraternellement|cordialement|amicalement)|(?:je vous remercie|merci) (?:de|pour)|"
        r"cher (?:conf|coll|ami))",
        rf"\W*(?:(?:die|der|das|o\.?g\.?|dieser?|obige[rn]?) )?(?:befunde?|ergebnis(?:se)?|"
        rf"befundmitteilung)\b.{{0,60}}{_ARZT}.{{0,60}}"
        r"\b(?:mitgeteilt|besprochen|[uü]bermittelt|informiert|durchgegeben|weitergegeben|kommuniziert|bekannt)\b",
        rf"\W*(?:herr|frau|(?:der|die) )?.{{0,12}}{_ARZT}.{{0,50}}\b(?:informiert|benachrichtigt|verst[aä]ndigt)\b",
        r"\W*telefonische (?:befund|mitteilung|befundmitteilung|[uü]bermittlung)",
        r"\W*(?:mit (?:freundlichen|besten|kollegialen|freundlichem)|viele gr[uü](?:ß|ss)e|vielen dank f[uü]r|"
        r"sehr geehrte|hochachtungsvoll|i\. ?a\.|gez\.)",
        r"\W*(?:elektronisch|digital) (?:signiert|unterschrieben|freigegeben|validiert)",
        r"\W*(?:achados?|resultados?)?\W*(?:foi|foram)?\W*(?:comunicad|discutid|informad)[oa]s?\b.{0,40}\b(?:dra?|"
        r"m[eé]dic[oa]|equipe)\b",
        r"\W*(?:assinado|laudado|validado)(?: eletronicamente| digitalmente)? por\b|\W*atenciosamente\b",
        r"\W*(?:reperti|risultat[oi])?\W*(?:comunicat|discuss|avvisat|informat)[oaie]\b.{0,40}\b(?:dott|dr|medico|"
        r"collega|reparto)",
        r"\W*(?:firmato|refertato|validato)(?: digitalmente| elettronicamente)? da\b|\W*(?:cordiali|distinti) saluti\b",
    )
)
_ASIDE = re.compile(
    rf"\s*[,;(–-]\s*(?:which |and |as |these |this |findings? |results? )*(?:was |were |has been |"
    rf"have been )?{_TOLD}.{{0,40}}?\b{_WHOM}"
    r"(?:\.[ \t]*[^\W\d][\w-]*)?[^.;)]*\)?(?=[.;]|\s*$)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"((?<=[.!?])(?<!\bDr\.)(?<!\bDrs\.)(?<!\bDra\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bProf\.)(?<!\bmed\.)\s+(?=[^\W\d_]|"
    r"[\"(*_\[])(?![a-zà-ÿ])|\n\s*\n)"
)
# A line that is a name with a title, a name with degrees, or the end of the report.
_SIGNED = re.compile(
    r"^[ \t]*(?:(?:(?:OA|CA|PD)\.?[ \t]+(?=Dr))?(?:Drs?|Dra|Dott(?:\.ssa)?|Prof|Priv\.-Doz)\b\.?[ \t]*(?:(?:Dr|med|"
    r"univ|Prof)\b\.?[ \t]*)*[^\W\d_a-z][\w.'’-]*(?:[ \t]+[^\W\d_a-z][\w.'’-]*){0,3}(?:,? (?:M\.?D\.?|FRC\w+))?|"
    r"[^\W\d_a-z][\w.'’-]*(?:[ \t]+[^\W\d_a-z][\w.'’-]*){1,3},[ \t]*(?:M\.?D|D\.?O|MBBS|FRC\w)[\w., ]*)[ \t]*$|"
    r"^[ \t*_=#<-]*(?i:end (?:of )?(?:the )?(?:report|impression|addendum))[ \t*_=#>.-]*$",
    re.MULTILINE,
)


def without_notes(text: str) -> tuple[str, str]:
    """A section's text without its notes to colleagues and signatures, and what was taken out."""
    unsigned = _SIGNED.sub("", text)
    pieces = _SENTENCE.split(unsigned)  # sentences, and between them what separates them
    notes = [sentence for sentence in pieces[::2] if any(note.match(sentence) for note in NOTES)]
    kept = "".join("" if piece in notes else piece for piece in pieces)
    found = [match.group() for match in (*_SIGNED.finditer(text), *_ASIDE.finditer(kept))] + notes
    return _ASIDE.sub("", kept), " ".join(found)
