"""What the headings of a report are called: English, Spanish, French, German, Portuguese, Italian and some others.

Names are compared in small letters without accents and punctuation (``impresion diagnostica``). The English ones follow
the counts in MIMIC-CXR's own section parser (github: MIT-LCP/mimic-cxr), its misspellings with them, and DICOM's
CID 7001. What is left out of training stands here by its exact name: a name that is not here is a finding's.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

UNKNOWN = "unknown"  # in no table; its text stays with the findings
TITLE = "title"  # the name of the examination over its findings: CHEST, TWO VIEWS
PLACE = "place"  # findings are sorted by these: LUNGS

_BY = r"(?: (?:and (?:signed|verified|approved) )?(?:by|on|at))"
NAMES = {  # the first that fits
    "note": (
        r"notifications?|communications?|(?:notification|communication|reporting) of (?:critical |"
        r"significant )?(?:findings?|"
        r"results?)(?: s)?|critical (?:results?|findings?)(?: communication| notification)|attestation|disclaimer|"
        r".*\b(?:discussed|communicated|notified) (?:with|to|by)|(?:teaching|"
        r"attending)(?: physician)? (?:attestation|statement)|"
        r"comunicacion|comunicado a|aviso|confraternellement|mit freundlichen gru(?:e|ss)en|befundmitteilung"
    ),
    "signature": (
        rf"(?:electronically |digitally )?(?:signed|dictated|transcribed|verified|approved|finalized|"
        rf"authenticated){_BY}?|"
        rf"(?:read|reviewed|interpreted|reported|performed){_BY}|signatures?|e signature|end of (?:report|"
        rf"impression)|"
        r"(?:firmado|validado|dictado|transcrito)(?: electronicamente)?(?: por| el)?|(?:revisado|realizado|"
        r"informado) por|firma|"
        r"(?:signe|dicte|valide|redige)(?: electroniquement)?(?: par| le)?|(?:relu|realise|interprete) par|"
        r"(?:elektronisch |digital )?(?:signiert|unterschrieben|diktiert|vidiert|freigegeben|validiert)(?: (?:von|"
        r"durch|am))?|"
        r"befundet (?:von|durch|am)|unterschrift|gez|(?:assinado|ditado|laudado)(?: eletronicamente)?(?: por)?|"
        r"assinatura|"
        r"(?:firmato|refertato|dettato|validato)(?: digitalmente| elettronicamente)?(?: da)?"
    ),
    "administrative": (
        r"dictating (?:physician|radiologist)|(?:attending|referring|ordering|requesting|reporting|staff|reading|"
        r"consulting|"
        r"teaching)(?: (?:physician|doctor|provider|radiologist|clinician|dr|md))?|resident|fellow|radiologists?|"
        r"physicians?|doctor|dr|technologist|radiographer|transcriptionist|cc|cop(?:y|ies) to|"
        r"accession(?: (?:number|no))?|mrn|medical record (?:number|no)|patient(?: (?:name|id|no|number))?|name|dob|"
        r"date of birth|birth ?date|age|sex|gender|(?:exam(?:ination)?|report|study|scan|dictation|"
        r"signed)? ?(?:date|time)"
        r"(?: (?:of|and) .*)?|report status|phone|tel|telephone|fax|pager?|e ?mail|address|hospital|ward|department|"
        r"icd(?: ?\d*)?(?: codes?)?|cpt(?: codes?)?|"
        r"(?:medico|doctora?|dra?|radiologo|facultativo)(?: (?:informante|responsable|solicitante|radiologo|"
        r"adjunto))?|"
        r"paciente|nombre|nhc|edad|sexo|fecha(?: .*)?|hora|copia a|telefono|"
        r"medecin(?: (?:demandeur|prescripteur|radiologue|traitant))?|docteur|radiologue|nom|prenom|sexe|"
        r"date(?: .*)?|"
        r"patiente?|copie a|arzt|arztin|oberarzt|radiologe|befunder|zuweiser|patientin|geburtsdatum|geb|alter|"
        r"geschlecht|datum|"
        r"uhrzeit|kopie an|verteiler|crm|data(?: .*)?|idade|medico refertante|nome|cognome|eta|sesso|"
        r"医师|报告医师|审核医师|报告日期|姓名|性别|年龄|检查日期|日期"
    ),
    "addendum": (
        r"(?:late |final )?addend(?:um|a)(?: .*)?|corrections?|corrigendum|erratum|amendments?|"
        r"(?:amended|revised|corrected|supplementa(?:l|ry)|additional) report|"
        r"adend[ao]s?(?: .*)?|correccion(?:es)?|rectificacion|enmienda|fe de erratas|anexo|"
        r"ampliacion(?: de informe)?|"
        r"aclaracion|nota aclaratoria|informe (?:complementario|corregido|adicional|ampliado)|"
        r"additif|complement|rectificatif|rectification|correctif|compte rendu (?:complementaire|rectificatif)|"
        r"nachtrag(?: .*)?|(?:nachtrags|zusatz|korrektur)befund|erga?e?nzung(?:sbefund)?|korrektur|berichtigung|"
        r"zusatz|"
        r"nachbefundung|aditamento|retificacao|errata|correcao|complemento|"
        r"integrazione|rettifica|correzione|errata corrige|补充报告|更正"
    ),
    "preliminary": (
        r"wet ?read(?: .*)?|(?:preliminary|prelim|interim) (?:report|read(?:ing)?|results?)|informe preliminar|"
        r"vorla(?:e)?ufiger befund"
    ),
    "indication": (
        r"(?:clinical |provided |relevant )?indications?(?: (?:for|of) .*)?|idication|ndication|reasons?|"
        r"reasons? for "
        r"(?:this |the |your )?(?:exam(?:ination)?|study|visit|order(?:ing)?|consult|referral|request|procedure|"
        r"test|ct|scan|"
        r"x ?ray|imaging)|(?:clinical |patient |medical |relevant |brief |surgical |past medical |provided |"
        r"present |social |additional |"
        r"oncologic(?:al)? )?(?:history|hx)(?: of present illness)?|hpi|pmh|"
        r"(?:relevant |additional |pertinent )?clinical(?: (?:information|info|reason|data|details?|question|"
        r"statement|context|background|diagnos[ei]s|notes?|"
        r"problem|symptoms?|"
        r"presentation|concern))?|(?:admitting|admission|provisional|working|referring|ordering|"
        r"pre ?operative) diagnos[ei]s|"
        r"(?:underlying )?medical conditions?|patient presentation|(?:chief |presenting )?complaints?|symptoms?|"
        r"questions?|"
        r"request(?:ed)?(?: (?:exam|details|information))?|referral|evaluate for|assess for|rule out|r o|concern for|"
        r"allerg(?:y|ies)|medications?|risk factors?|smoking(?: history)?|"
        r"indicaci?on(?:es)?(?: clinicas?)?|antecedentes(?: .*)?|motivo(?: de (?:la )?(?:consulta|peticion|solicitud|"
        r"exploracion)| del estudio)?|(?:datos|informacion|historia|sospecha|orientacion|cuestion|pregunta|"
        r"clinica|situacion)"
        r"(?: (?:clinic[oa]s?|diagnostica|actual))?|peticion|alergias|anamnesis|"
        r"(?:hipotesis diagnostica|diagnostico presuntivo)|diagnostico (?:de )?(?:presuncion|sospecha|clinico|envio)|"
        r"motifs?(?: (?:de l examen|d examen|de consultation|de la demande|d hospitalisation))?|"
        r"renseignements?(?: cliniques?)?|"
        r"clinical findings?|hallazgos? clinicos?|klinischer befund|donnees cliniques|"
        r"(?:histoire|contexte|donnees|information|question|clinique)(?: (?:cliniques?|posee|de la maladie))?|"
        r"antecedents?|atcd|"
        r"(?:rechtfertigende )?indikation(?:sstellung)?(?: und .*)?|klinische?(?: (?:angaben?|fragestellung|frage|"
        r"symptomatik|"
        r"informationen?|"
        r"diagnose|daten))(?: und .*)?|klinik(?: und .*)?|anamnese(?: und .*)?|fragestellung(?:en)?|vorgeschichte|"
        r"vorerkrankungen?|(?:ein|zu|ueber|uber)weisungsdiagnose|"
        r"indicac(?:ao|oes)(?: clinicas?)?|(?:dados|informacoes|historia|hipotese|quadro) (?:clinic[oa]s?|"
        r"diagnostica)|"
        r"indicazion[ei](?: clinic[ah]e?)?|quesito(?: (?:clinico|diagnostico))?|anamnesi|notizie cliniche|"
        r"dati clinici|"
        r"sospetto (?:clinico|diagnostico)|motivazione|indicatie|klinische (?:gegevens|informatie|vraagstelling)|"
        r"vraagstelling|"
        r"病史|临床病史|临床诊断|临床资料|主诉"
    ),
    "findings": (
        r"(?:find(?:ings?|ins|indgs|gings|ngs|nings)|finidngs)(?: s)?(?: (?:and|or) impressions?| impressions?)?|"
        r"narrative|"
        r"body(?: of report)?|"
        r"(?:diagnostic )?(?:radiology |radiological |radiographic |imaging |ct )?report|(?:report )?description|"
        r"(?:imaging |exam(?:ination)? )?results?|observations?|"
        r"hallazgos?(?: (?:e|y) impresion| impresion)?|informe(?: radiologico)?|descripcion|resultados?|"
        r"observaciones|"
        r"resultats?|constatations?|compte ?rendu|cr|analyse|lecture|semiologie|"
        r"befunde?(?:bericht|beschreibung|text)?(?: und beurteilung)?|beschreibung|ergebnis(?:se)?|bericht|"
        r"achados?(?: e impressao)?|relatorio|laudo|descric(?:ao|oes)|analise|observac(?:ao|oes)|"
        r"repert[oi]|referto|descrizione|risultat[oi]|bevindingen|verslag|beschrijving|"
        r"影像所见|检查所见|所见|影像表现|影像学表现|影像学所见|放射学表现|影像描述|表现|描述"
    ),
    "impression": (
        r"(?:impress?ions?|impresson|imprression|imoression|impressoin|imprssion|imperssion|mpression|"
        r"impession)(?: s)?|"
        r"(?:final |overall )?(?:conclusions?|opinions?|summary|assessment|interpretation|diagnos[ei]s)|"
        r"(?:radiolog(?:ical|ic)|imaging|ct) diagnos[ei]s|bottom line|in (?:summary|conclusion)|"
        r"(?:impresion(?:es)?|conclusion(?:es)?|valoracion|interpretacion|opinion)(?: diagnostica)?|"
        r"juicio(?: diagnostico)?|"
        r"diagnosticos?(?: (?:radiologico|final|por (?:la )?imagen|principal))?|resumen|en (?:resumen|conclusion)|"
        r"synthese|avis|au total|en (?:conclusion|resume)|diagnostic|"
        r"(?:gesamt)?(?:beurteilung|zusammenfassung|bewertung|schlussfolgerung|einschatzung)|"
        r"zusammenfassende beurteilung|"
        r"(?:radiologische )?diagnosen?|fazit|eindruck|"
        r"(?:impress(?:ao|oes)|conclus(?:ao|oes)|opiniao|parecer|interpretacao)(?: diagnostica)?|"
        r"(?:conclusion[ei]|impression[ei]|giudizio|sintesi|interpretazione|valutazione)(?: diagnostic[ao])?|"
        r"diagnosi|in conclusione|"
        r"conclusie|诊断意见|影像诊断|诊断印象|印象|诊断|结论|诊断结论"
    ),
    "comparison": (
        r"(?:reference |relevant )?compar(?:ison|ision|sion|rison|isions)s?(?: (?:exam(?:ination)?s?|films?|"
        r"stud(?:y|ies)|"
        r"dates?))?|compared (?:with|to)|reference exams?|"
        r"(?:prior|previous) findings?|"
        r"(?:prior|previous|old|earlier) (?:exam(?:ination)?s?|stud(?:y|ies)|films?|imaging|reports?|scans?|cts?|"
        r"radiographs?|"
        r"procedure descriptions?)|priors?|"
        r"comparacion(?:es)?(?: con)?|estudio comparativo|(?:estudios?|exploraci?on(?:es)?|pruebas?|tc|"
        r"rx) (?:previ[oa]s?|"
        r"anterior(?:es)?|de comparacion)|"
        r"comparaisons?|comparatif|anteriorites?(?: disponibles?)?|(?:examens?|bilans?|imagerie|scanners?|cliches?|"
        r"etudes?) (?:anterieure?s?|"
        r"precedents?|"
        r"de (?:comparaison|reference))|"
        r"vergleich(?:suntersuchung(?:en)?|saufnahmen?|sbilder)?|voraufnahmen?|voruntersuchung(?:en)?|vorbefunde?|"
        r"vorbilder|"
        r"zum vergleich|comparac(?:ao|oes)|(?:exames?|estudos?) (?:anterior(?:es)?|previos?|comparativos?)|"
        r"confront[oi]|(?:esam[ei]|indagin[ei]) precedent[ei]|precedenti|vergelijking|对比|比较"
    ),
    "technique": (
        r"(?:examination |imaging |scan(?:ning)? )?(?:techniques?|protocols?|methods?|parameters|acquisition)|"
        r"technical (?:factors|details|parameters|description)|tecnica(?: (?:de exploracion|utilizada|radiologica|"
        r"d esame))?|"
        r"metodo(?:logia)?|protocolo|technique(?: (?:d examen|utilisee))?|protocole|"
        r"(?:untersuchungs|aufnahme|scan)?(?:technik|methodik|methode|protokoll)|durchfu?e?hrung|metodica|"
        r"protocollo|techniek|"
        r"检查方法|检查技术|扫描方法"
    ),
    "detail": (  # of the technique, a line each
        r"number of views|views?|sequences?|(?:iv |intravenous |oral )?contrast(?: (?:agent|media|material|"
        r"administration|dose))?|"
        r"(?:total |radiation |ct |estimated )?dose(?: (?:length product|report|information|reduction))?|"
        r"(?:total )?dlp|ctdi(?: ?vol)?|"
        r"exposure|kvp?|"
        r"mas|kernel|slice thickness|pitch|matrix|fluoro(?:scopy)? time|contraste|medio de contraste|dosis|"
        r"proyecciones|"
        r"injection|produit de contraste|dosimetrie|irradiation|pdl|kontrastmittel(?:gabe)?|strahlenexposition|"
        r"dosisfla?e?chenprodukt|meio de contraste|mezzo di contrasto"
    ),
    "examination": (
        r"final report|(?:type of |current )?(?:exam(?:ination)?s?|stud(?:y|ies)|procedures?)(?: (?:type|name|"
        r"title|code|"
        r"descriptions?|performed|requested|ordered|no|number|\d+))?|service|modality|body part|order|title|"
        r"estudios?(?: (?:realizado|solicitado))?|exploracion(?:es)?(?: (?:realizada|solicitada))?|"
        r"prueba(?: (?:realizada|"
        r"solicitada))?|tipo de (?:estudio|exploracion|prueba)|procedimiento|"
        r"examens?(?: (?:realises?|demandes?))?|type d examen|acte|untersuchung(?:en|sart|sregion)?|leistung|"
        r"exames?(?: (?:realizados?|solicitados?))?|esam[ei](?: (?:eseguit[oi]|richiest[oi]))?|prestazione|onderzoek|"
        r"检查部位|检查项目|检查名称"
    ),
    "recommendation": (
        r"recommendations?(?: s)?|advice|recomendaci?on(?:es)?|conducta(?: a seguir)?|recommandations?|"
        r"conduite a tenir|"
        r"empfehlung(?:en)?|pro[cz]edere|weiteres vorgehen|recomendac(?:ao|oes)|conduta|raccomandazion[ei]|建议"
    ),
    PLACE: (
        r"(?:(?:the|upper|lower|left|right|bilateral|other|visuali[sz]ed) )*(?:lungs?|lung (?:parenchyma|fields?|"
        r"bases?|apices|"
        r"volumes?|zones?)|pulmonary (?:parenchyma|vasculature|vessels|arteries|nodules?)|parenchyma|airways?|"
        r"trachea|bronchi|"
        r"heart|cardiac(?: silhouette)?|cardio ?mediastin(?:um|al silhouette)|mediastinum|hil[ai]|hilum|pleura|"
        r"pleural (?:spaces?|effusions?)|diaphragms?|aorta|vessels|vasculature|vascular|lymph nodes?|nodes|thyroid|"
        r"chest(?: wall)?|thorax|neck|breasts?|axillae?|esophagus|oesophagus|bones?|osseous(?: structures)?|"
        r"bony (?:thorax|"
        r"structures)|skeleton|musculoskeletal|spine|ribs|soft tissues?|tubes|lines|devices|hardware|"
        r"support devices|catheters?|"
        r"abdomen|pelvis|liver|gallbladder|bile ducts|biliary(?: tree| system)?|spleen|pancreas|"
        r"adrenals?(?: glands)?|kidneys?|"
        r"ureters|bladder|bowel|stomach|peritoneum|retroperitoneum|nodules?|pneumothorax|effusions?|consolidation)"
        r"(?: (?:and|or) .*)?|"
        r"pulm[oó]n(?:es)?|parenquima(?: pulmonar)?|corazon|silueta cardi\w+|mediastino|hilios?|pleuras?|"
        r"via aerea|traquea|"
        r"huesos|(?:marco|estructuras) oseas?|torax|higado|bazo|partes blandas|poumons?|"
        r"parenchyme(?: pulmonaire)?|coeur|"
        r"mediastin|plevres?|os|foie|rate|lungen?|herz|knochen|skelett|weichteile|leber|milz|zwerchfell|pulmoes|"
        r"coracao|ossos|"
        r"figado|polmon[ei]|cuore|ossa|fegato|pleure"
    ),
}
HOLDING = {  # with a colon, any name that holds one of these words: CHEST CT FINDINGS:, IMPRESSION AND PLAN:
    "impression": r"impressions?|impresion(?:es)?|impress(?:ao|oes)|conclusion(?:e?s)?|beurteilung|conclus(?:ao|oes)",
    "findings": r"findings?|hallazgos?|befunde?|achados?|reperti|resultats?|constatations?|results?",
}
_MARK = re.compile(r"\bx{4,}\b")  # of de-identification
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in NAMES.items()}
_JOIN = r"(?: \w+| (?:and|or|y|e|et|und|of|in|on|for|at|de|du|del) .*)?"
_HOLDING = {
    kind: re.compile(rf"(?!no |the |these |sin |kein|pas |aucun|sem |senza )(?:\w+ ){{0,4}}(?:{words}){_JOIN}")
    for kind, words in HOLDING.items()
}
_AND = re.compile(r"\s*[/&+,]\s*|\s+(?:and|und|y|e|et)\s+", re.IGNORECASE)
ASIDE = ("indication", "comparison", "technique", "detail", "examination")  # may be joined: History / Technique
_TITLE = re.compile(  # nothing but the words of which an examination's name is made, one that is no place among them
    r"(?=.*\b(?:radiographs?|radiography|x|xrays?|rays?|cxr|films?|ct|cta|ctpa|mri|tomography|views?|pa|ap|lat|"
    r"lateral|portable|"
    r"radiografia|rx|tc|tac|tomografia|radiographie|radio|tdm|scanner|rontgen|computertomographie|raio)\b)"
    r"(?:(?:radiographs?|radiography|x|xrays?|rays?|cxr|films?|ct|cta|ctpa|mri|computed|tomography|angiogra(?:m|"
    r"phy)|scans?|"
    r"views?|one|two|three|single|\d|pa|ap|lat|lateral|frontal|portable|upright|supine|semi|chest|thorax|thoracic|"
    r"abdomen|pelvis|"
    r"and|or|of|the|with|without|iv|contrast|high|low|resolution|dose|radiografia|rx|tc|tac|tomografia|"
    r"computarizada|torax|"
    r"toracica|simple|de|del|la|el|con|sin|y|contraste|anteroposterior|posteroanterior|radiographie|radio|tdm|"
    r"scanner|"
    r"thoracique|du|avec|sans|et|rontgen|computertomographie|des|mit|ohne|und|in|ebenen|kontrastmittel|raio|com|"
    r"sem|do|da)"
    r"(?: |$))+"
)
WORDS = 8  # of a heading, at most


@lru_cache(maxsize=4096)
def kind_of(heading: str, colon: bool = True) -> str:
    """A key of ``NAMES``, ``TITLE`` or ``UNKNOWN``; without a ``colon`` behind it only a whole name counts."""
    name = plain_name(heading)
    if len(name.split()) > WORDS:
        return UNKNOWN
    holding = _HOLDING if colon else {}
    fits = (kind for patterns in (_PATTERNS, holding) for kind, pattern in patterns.items() if pattern.fullmatch(name))
    known = next(fits, UNKNOWN)
    if known == UNKNOWN and len(parts := _AND.split(heading)) > 1:
        known = _of_all([kind_of(part) for part in parts])
    return TITLE if known == UNKNOWN and _TITLE.fullmatch(name) else known


def _of_all(kinds: Sequence[str]) -> str:
    """The kind of a heading that joins several."""
    return kinds[0] if set(kinds) == {PLACE} or set(kinds) <= set(ASIDE) else UNKNOWN


def plain_name(heading: str) -> str:
    """``IMPRESIÓN  Diagnóstica`` as ``impresion diagnostica``."""
    letters = unicodedata.normalize("NFKD", heading.casefold())
    kept = "".join(char if char.isalnum() else " " for char in letters if not unicodedata.combining(char))
    return " ".join(dict.fromkeys(_MARK.sub(" ", kept).split()))  # INDICATION / INDICATION
