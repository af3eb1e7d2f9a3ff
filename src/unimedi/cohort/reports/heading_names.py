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
        r"significant )?(?:findings?|results?)(?: s)?|critical (?:results?|findings?)(?: communication| notification)|"
        r"attestation|disclaimer|.*\b(?:discussed|communicated|notified) (?:with|to|by)|(?:teaching|"
        r"attending)(?: physician)? (?:attestation|statement)|comunicacion|comunicado a|aviso|confraternellement|"
        r"mit freundlichen gru(?:e|ss)en|befundmitteilung"
    ),
    "signature": (
        rf"(?:electronically |digitally )?(?:signed|dictated|transcribed|verified|approved|finalized|"
        rf"authenticated){_BY}?|(?:read|reviewed|interpreted|reported|performed){_BY}|signatures?|e signature|"
        rf"end of (?:report|impression)|"
        r"(?:firmado|validado|dictado|transcrito)(?: electronicamente)?(?: por| el)?|(?:revisado|realizado|"
        r"informado) por|firma|(?:signe|dicte|valide|redige)(?: electroniquement)?(?: par| le)?|(?:relu|realise|"
        r"interprete) par|(?:elektronisch |digital )?(?:signiert|unterschrieben|diktiert|vidiert|freigegeben|"
        r"validiert)(?: (?:von|durch|am))?|befundet (?:von|durch|am)|unterschrift|gez|(?:assinado|ditado|"
        r"laudado)(?: eletronicamente)?(?: por)?|assinatura|(?:firmato|refertato|dettato|validato)(?: digitalmente|"
        r" elettronicamente)?(?: da)?"
    ),
    "administrative": (
        r"dictating (?:physician|radiologist)|(?:attending|referring|ordering|requesting|reporting|staff|reading|"
        r"consulting|teaching)(?: (?:physician|doctor|provider|radiologist|clinician|dr|md))?|resident|fellow|"
        r"radiologists?|physicians?|doctor|dr|technologist|radiographer|transcriptionist|cc|cop(?:y|ies) to|"
        r"accession(?: (?:number|no))?|mrn|medical record (?:number|no)|patient(?: (?:name|id|no|number))?|name|dob|"
        r"date of birth|birth ?date|age|sex|gender|(?:exam(?:ination)?|report|study|scan|dictation|signed)? ?(?:date|"
        r"time)(?: (?:of|and) .*)?|report status|phone|tel|telephone|fax|pager?|e ?mail|address|hospital|ward|"
        r"department|icd(?: ?\d*)?(?: codes?)?|cpt(?: codes?)?|(?:medico|doctora?|dra?|radiologo|"
        r"facultativo)(?: (?:informante|responsable|solicitante|radiologo|adjunto))?|paciente|nombre|nhc|edad|sexo|"
        r"fecha(?: .*)?|hora|copia a|telefono|medecin(?: (?:demandeur|prescripteur|radiologue|traitant))?|docteur|"
        r"radiologue|nom|prenom|sexe|date(?: .*)?|patiente?|copie a|arzt|arztin|oberarzt|radiologe|befunder|zuweiser|"
        r"patientin|geburtsdatum|geb|alter|geschlecht|datum|uhrzeit|kopie an|verteiler|crm|data(?: .*)?|idade|"
        r"medico refertante|nome|cognome|eta|sesso|医师|报告医师|审核医师|报告日期|姓名|性别|年龄|检查日期|日期"
    ),
    "addendum": (
        r"(?:late |final )?addend(?:um|a)(?: .*)?|corrections?|corrigendum|erratum|amendments?|(?:amended|revised|"
        r"corrected|supplementa(?:l|ry)|additional) report|adend[ao]s?(?: .*)?|correccion(?:es)?|rectificacion|"
        r"enmienda|fe de erratas|anexo|ampliacion(?: de informe)?|aclaracion|nota aclaratoria|"
        r"informe (?:complementario|corregido|adicional|ampliado)|additif|complement|rectificatif|rectification|"
        r"correctif|compte rendu (?:complementaire|rectificatif)|nachtrag(?: .*)?|(?:nachtrags|zusatz|"
        r"korrektur)befund|erga?e?nzung(?:sbefund)?|korrektur|berichtigung|zusatz|nachbefundung|aditamento|"
        r"retificacao|errata|correcao|complemento|integrazione|rettifica|correzione|errata corrige|补充报告|更正"
    ),
    "preliminary": (
        r"wet ?read(?: .*)?|(?:preliminary|prelim|interim) (?:report|read(?:ing)?|results?)|informe preliminar|"
        r"vorla(?:e)?ufiger befund"
    ),
    "indication": (
        r"(?:clinical |provided |relevant )?indications?(?: (?:for|of) .*)?|idication|ndication|reasons?|"
        r"reasons? for (?:this |the |your )?(?:exam(?:ination)?|study|visit|order(?:ing)?|consult|referral|request|"
        r"procedure|test|ct|scan|x ?ray|imaging)|(?:clinical |patient |medical |relevant |brief |surgical |"
        r"past medical |provided |present |social |additional |oncologic(?:al)? )?(?:history|"
        r"hx)(?: of present illness)?|hpi|pmh|(?:relevant |additional |pertinent )?clinical(?: (?:information|info|"
        r"reason|data|details?|question|statement|context|background|diagnos[ei]s|notes?|problem|symptoms?|"
        r"presentation|concern))?|(?:admitting|admission|provisional|working|referring|ordering|"
        r"pre ?operative) diagnos[ei]s|(?:underlying )?medical conditions?|patient presentation|(?:chief |"
        r"presenting )?complaints?|symptoms?|questions?|request(?:ed)?(?: (?:exam|details|information))?|referral|"
        r"evaluate for|assess for|rule out|r o|concern for|allerg(?:y|ies)|medications?|risk factors?|"
        r"smoking(?: history)?|indicaci?on(?:es)?(?: clinicas?)?|antecedentes(?: .*)?|"
        r"motivo(?: de (?:la )?(?:consulta|peticion|solicitud|exploracion)| del estudio)?|(?:datos|informacion|"
        r"historia|sospecha|orientacion|cuestion|pregunta|clinica|situacion)(?: (?:clinic[oa]s?|diagnostica|actual))?|"
        r"peticion|alergias|anamnesis|(?:hipotesis diagnostica|diagnostico presuntivo)|"
        r"diagnostico (?:de )?(?:presuncion|sospecha|clinico|envio)|motifs?(?: (?:de l examen|d examen|"
        r"de consultation|de la demande|d hospitalisation))?|renseignements?(?: cliniques?)?|clinical findings?|"
        r"hallazgos? clinicos?|klinischer befund|donnees cliniques|(?:histoire|contexte|donnees|information|question|"
        r"clinique)(?: (?:cliniques?|posee|de la maladie))?|antecedents?|atcd|"
        r"(?:rechtfertigende )?indikation(?:sstellung)?(?: und .*)?|klinische?(?: (?:angaben?|fragestellung|frage|"
        r"symptomatik|informationen?|diagnose|daten))(?: und .*)?|klinik(?: und .*)?|anamnese(?: und .*)?|"
        r"fragestellung(?:en)?|vorgeschichte|vorerkrankungen?|(?:ein|zu|ueber|uber)weisungsdiagnose|indicac(?:ao|"
        r"oes)(?: clinicas?)?|(?:dados|informacoes|historia|hipotese|quadro) (?:clinic[oa]s?|diagnostica)|"
        r"indicazion[ei](?: clinic[ah]e?)?|quesito(?: (?:clinico|diagnostico))?|anamnesi|notizie cliniche|"
        r"dati clinici|sospetto (?:clinico|diagnostico)|motivazione|indicatie|klinische (?:gegevens|informatie|"
        r"vraagstelling)|vraagstelling|病史|临床病史|临床诊断|临床资料|主诉"
    ),
    "findings": (
        r"(?:find(?:ings?|ins|indgs|gings|ngs|nings)|finidngs)(?: s)?(?: (?:and|or) impressions?| impressions?)?|"
        r"narrative|body(?: of report)?|(?:diagnostic )?(?:radiology |radiological |radiographic |imaging |"
        r"ct )?report|(?:report )?description|(?:imaging |exam(?:ination)? )?results?|observations?|"
        r"hallazgos?(?: (?:e|y) impresion| impresion)?|informe(?: radiologico)?|descripcion|resultados?|observaciones|"
        r"resultats?|constatations?|compte ?rendu|cr|analyse|lecture|semiologie|befunde?(?:bericht|beschreibung|"
        r"text)?(?: und beurteilung)?|beschreibung|ergebnis(?:se)?|bericht|achados?(?: e impressao)?|relatorio|laudo|"
        r"descric(?:ao|oes)|analise|observac(?:ao|oes)|repert[oi]|referto|descrizione|risultat[oi]|bevindingen|"
        r"verslag|beschrijving|影像所见|检查所见|所见|影像表现|影像学表现|影像学所见|放射学表现|影像描述|表现|描述"
    ),
    "impression": (
        r"(?:impress?ions?|impresson|imprression|imoression|impressoin|imprssion|imperssion|mpression|"
        r"impession)(?: s)?|(?:final |overall )?(?:conclusions?|opinions?|summary|assessment|interpretation|"
        r"diagnos[ei]s)|(?:radiolog(?:ical|ic)|imaging|ct) diagnos[ei]s|bottom line|in (?:summary|conclusion)|"
        r"(?:impresion(?:es)?|conclusion(?:es)?|valoracion|interpretacion|opinion)(?: diagnostica)?|"
        r"juicio(?: diagnostico)?|diagnosticos?(?: (?:radiologico|final|por (?:la )?imagen|principal))?|resumen|"
        r"en (?:resumen|conclusion)|synthese|avis|au total|en (?:conclusion|resume)|diagnostic|"
        r"(?:gesamt)?(?:beurteilung|zusammenfassung|bewertung|schlussfolgerung|einschatzung)|"
        r"zusammenfassende beurteilung|(?:radiologische )?diagnosen?|fazit|eindruck|(?:impress(?:ao|oes)|conclus(?:ao|"
        r"oes)|opiniao|parecer|interpretacao)(?: diagnostica)?|(?:conclusion[ei]|impression[ei]|giudizio|sintesi|"
        r"interpretazione|valutazione)(?: diagnostic[ao])?|diagnosi|in conclusione|conclusie|"
        r"诊断意见|影像诊断|诊断印象|印象|诊断|结论|"
        r"诊断结论"
    ),
    "comparison": (
        r"(?:reference |relevant )?compar(?:ison|ision|sion|rison|isions)s?(?: (?:exam(?:ination)?s?|films?|stud(?:y|"
        r"ies)|dates?))?|compared (?:with|to)|reference exams?|(?:prior|previous) findings?|(?:prior|previous|old|"
        r"earlier) (?:exam(?:ination)?s?|stud(?:y|ies)|films?|imaging|reports?|scans?|cts?|radiographs?|"
        r"procedure descriptions?)|priors?|comparacion(?:es)?(?: con)?|estudio comparativo|(?:estudios?|"
        r"exploraci?on(?:es)?|pruebas?|tc|rx) (?:previ[oa]s?|anterior(?:es)?|de comparacion)|comparaisons?|comparatif|"
        r"anteriorites?(?: disponibles?)?|(?:examens?|bilans?|imagerie|scanners?|cliches?|etudes?) (?:anterieure?s?|"
        r"precedents?|de (?:comparaison|reference))|vergleich(?:suntersuchung(?:en)?|saufnahmen?|sbilder)?|"
        r"voraufnahmen?|voruntersuchung(?:en)?|vorbefunde?|vorbilder|zum vergleich|comparac(?:ao|oes)|(?:exames?|"
        r"estudos?) (?:anterior(?:es)?|previos?|comparativos?)|confront[oi]|(?:esam[ei]|indagin[ei]) precedent[ei]|"
        r"precedenti|vergelijking|对比|比较"
    ),
    "technique": (
        r"(?:examination |imaging |scan(?:ning)? )?(?:techniques?|protocols?|methods?|parameters|acquisition)|"
        r"technical (?:factors|details|parameters|description)|tecnica(?: (?:de exploracion|utilizada|radiologica|"
        r"d esame))?|metodo(?:logia)?|protocolo|technique(?: (?:d examen|utilisee))?|protocole|(?:untersuchungs|"
        r"aufnahme|scan)?(?:technik|methodik|methode|protokoll)|durchfu?e?hrung|metodica|protocollo|techniek|检查方法|"
        r"检查技术|扫描方法"
    ),
    "detail": (  # of the technique, a line each
        r"number of views|views?|sequences?|(?:iv |intravenous |oral )?contrast(?: (?:agent|media|material|"
        r"administration|dose))?|(?:total |radiation |ct |estimated )?dose(?: (?:length product|report|information|"
        r"reduction))?|(?:total )?dlp|ctdi(?: ?vol)?|exposure|kvp?|mas|kernel|slice thickness|pitch|matrix|"
        r"fluoro(?:scopy)? time|contraste|medio de contraste|dosis|proyecciones|injection|produit de contraste|"
        r"dosimetrie|irradiation|pdl|kontrastmittel(?:gabe)?|strahlenexposition|dosisfla?e?chenprodukt|"
        r"meio de contraste|mezzo di contrasto"
    ),
    "examination": (
        r"final report|(?:type of |current )?(?:exam(?:ination)?s?|stud(?:y|ies)|procedures?)(?: (?:type|name|title|"
        r"code|descriptions?|performed|requested|ordered|no|number|\d+))?|service|modality|body part|order|title|"
        r"estudios?(?: (?:realizado|solicitado))?|exploracion(?:es)?(?: (?:realizada|solicitada))?|"
        r"prueba(?: (?:realizada|solicitada))?|tipo de (?:estudio|exploracion|prueba)|procedimiento|"
        r"examens?(?: (?:realises?|demandes?))?|type d examen|acte|untersuchung(?:en|sart|sregion)?|leistung|"
        r"exames?(?: (?:realizados?|solicitados?))?|esam[ei](?: (?:eseguit[oi]|richiest[oi]))?|prestazione|onderzoek|"
        r"检查部位|检查项目|检查名称"
    ),
    "recommendation": (
        r"recommendations?(?: s)?|advice|recomendaci?on(?:es)?|conducta(?: a seguir)?|recommandations?|"
        r"conduite a tenir|empfehlung(?:en)?|pro[cz]edere|weiteres vorgehen|recomendac(?:ao|oes)|conduta|"
        r"raccomandazion[ei]|建议"
    ),
    PLACE: (
        r"(?:(?:the|upper|lower|left|right|bilateral|other|visuali[sz]ed) )*(?:lungs?|lung (?:parenchyma|fields?|"
        r"bases?|apices|volumes?|zones?)|pulmonary (?:parenchyma|vasculature|vessels|arteries|nodules?)|parenchyma|"
        r"airways?|trachea|bronchi|heart|cardiac(?: silhouette)?|cardio ?mediastin(?:um|al silhouette)|mediastinum|"
        r"hil[ai]|hilum|pleura|pleural (?:spaces?|effusions?)|diaphragms?|aorta|vessels|vasculature|vascular|"
        r"lymph nodes?|nodes|thyroid|chest(?: wall)?|thorax|neck|breasts?|axillae?|esophagus|oesophagus|bones?|"
        r"osseous(?: structures)?|bony (?:thorax|structures)|skeleton|musculoskeletal|spine|ribs|soft tissues?|tubes|"
        r"lines|devices|hardware|support devices|catheters?|abdomen|pelvis|liver|gallbladder|bile ducts|"
        r"biliary(?: tree| system)?|spleen|pancreas|adrenals?(?: glands)?|kidneys?|ureters|bladder|bowel|stomach|"
        r"peritoneum|retroperitoneum|nodules?|pneumothorax|effusions?|consolidation)(?: (?:and|or) .*)?|"
        r"pulm[oó]n(?:es)?|parenquima(?: pulmonar)?|corazon|silueta cardi\w+|mediastino|hilios?|pleuras?|via aerea|"
        r"traquea|huesos|(?:marco|estructuras) oseas?|torax|higado|bazo|partes blandas|poumons?|"
        r"parenchyme(?: pulmonaire)?|coeur|mediastin|plevres?|os|foie|rate|lungen?|herz|knochen|skelett|weichteile|"
        r"leber|milz|zwerchfell|pulmoes|coracao|ossos|figado|polmon[ei]|cuore|ossa|fegato|pleure"
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
    r"lateral|portable|radiografia|rx|tc|tac|tomografia|radiographie|radio|tdm|scanner|rontgen|computertomographie|"
    r"raio)\b)(?:(?:radiographs?|radiography|x|xrays?|rays?|cxr|films?|ct|cta|ctpa|mri|computed|tomography|"
    r"angiogra(?:m|phy)|scans?|views?|one|two|three|single|\d|pa|ap|lat|lateral|frontal|portable|upright|supine|semi|"
    r"chest|thorax|thoracic|abdomen|pelvis|and|or|of|the|with|without|iv|contrast|high|low|resolution|dose|"
    r"radiografia|rx|tc|tac|tomografia|computarizada|torax|toracica|simple|de|del|la|el|con|sin|y|contraste|"
    r"anteroposterior|posteroanterior|radiographie|radio|tdm|scanner|thoracique|du|avec|sans|et|rontgen|"
    r"computertomographie|des|mit|ohne|und|in|ebenen|kontrastmittel|raio|com|sem|do|da)(?: |$))+"
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
