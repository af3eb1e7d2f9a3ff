"""English wordings of the phantom's radiologists."""

import re
from random import Random

from unimedi.imaging.phantom.findings import Finding
from unimedi.imaging.phantom.wording import LUNGS, Habits, Normal, Phrases, Wording, size_text

GRADED = {
    "mild": ("mild", "patchy", "subtle"),
    "moderate": ("moderate", "confluent"),
    "severe": ("extensive", "severe", "dense"),
}
AMOUNT = {
    "mild": ("small", "small", "trace", "minimal"),
    "moderate": ("moderate", "moderate-sized"),
    "severe": ("large", "massive", "large"),
}
DEGREE = {"mild": ("mild", "mild", "slight"), "moderate": ("moderate",), "severe": ("severe", "marked", "advanced")}

FINDINGS = {
    "nodule": Phrases(
        named=(r"nodules?\b", r"nodular opacity"),
        xray=(
            "There is a {size} nodule {where}.",
            "A {size} nodular opacity projects over the {region}.",
            "Rounded {size} nodule {where}.",
            "A nodule {where} measures about {size}.",
            "Nodular opacity of {size} {where}.",
            "{where}, there is a nodule of approximately {size}.",
        ),
        ct=(
            "There is a {size} nodule {where}.",
            "A {form} nodule {where} measures {size}.",
            "{size} pulmonary nodule {where}.",
            "{form} pulmonary nodule {where}, {size} in diameter.",
            "A {size} {form} nodule is seen {where}.",
            "{where}, a nodule measuring {size} is noted.",
        ),
        unsure=(
            "A {size} nodular opacity {where} may represent a pulmonary nodule.",
            "Possible {size} nodule {where}.",
            "Cannot exclude a {size} nodule {where}.",
            "A nodule of about {size} {where} is suspected.",
        ),
        impression=(
            "{size} {loc} nodule",
            "{loc} nodule, {size}",
            "{loc} pulmonary nodule",
            "pulmonary nodule {where}",
        ),
        absent=("pulmonary nodule", "nodule", "suspicious nodule"),
    ),
    "mass": Phrases(
        named=(r"mass\b", r"mass-like lesion"),
        xray=(
            "There is a {size} mass {where}.",
            "A mass projects over the {region}, measuring about {size}.",
            "Large rounded mass {where}, {size} across.",
            "Mass-like lesion {where} measuring {size}.",
            "{where}, a mass of {size} is present.",
        ),
        ct=(
            "There is a {dims} mass {where}.",
            "A {form} mass {where} measures {dims}.",
            "{form} mass {where}, {size} in maximal diameter, suspicious for malignancy.",
            "{size} mass {where}, concerning for a primary neoplasm.",
            "{where}, there is a mass of {size}.",
        ),
        unsure=(
            "A {size} mass {where} is suspected.",
            "A {size} lesion {where} may represent a mass.",
            "Findings {where} are worrisome for a {size} mass.",
        ),
        impression=(
            "{size} {loc} mass",
            "{loc} mass, suspicious for malignancy",
            "mass {where}",
            "{loc} mass measuring {size}",
        ),
        absent=("mass", "suspicious mass", "lung mass"),
    ),
    "consolidation": Phrases(
        named=(r"consolidation", r"airspace (opacity|disease)", r"pneumonia"),
        xray=(
            "There is {sev} consolidation {where}.",
            "{sev} airspace opacity {where}.",
            "{sev} {loc} consolidation.",
            "Focal consolidation is present {where}, {sev}.",
            "Airspace opacity {where} consistent with {sev} consolidation.",
        ),
        ct=(
            "There is {sev} consolidation {where}.",
            "{sev} consolidation {where} with air bronchograms.",
            "{sev} {loc} consolidation.",
            "Airspace consolidation {where}, {sev}.",
            "{where}, there is {sev} airspace consolidation.",
        ),
        unsure=(
            "{sev} airspace opacity {where} may represent pneumonia.",
            "Probable {sev} consolidation {where}.",
            "{sev} opacity {where}, early consolidation cannot be excluded.",
        ),
        impression=(
            "{loc} consolidation",
            "{loc} consolidation, likely pneumonia",
            "{loc} pneumonia",
            "{sev} consolidation {where}",
        ),
        absent=("consolidation", "focal consolidation", "airspace disease"),
        severity=GRADED,
    ),
    "ground_glass": Phrases(
        named=(r"ground[- ]glass", r"hazy opacit(y|ies)"),
        xray=(
            "{sev} hazy opacity {where}.",
            "There is {sev} ground-glass opacity {where}.",
            "{sev} hazy ground-glass opacification {where}.",
            "Hazy opacity {where}, {sev}.",
        ),
        ct=(
            "{sev} ground-glass opacity {where}.",
            "There are {sev} ground-glass opacities {where}.",
            "Ground-glass attenuation {where}, {sev}.",
            "{where}, {sev} ground-glass opacity is present.",
        ),
        unsure=(
            "Possible {sev} ground-glass opacity {where}.",
            "{sev} hazy opacity {where} could reflect infection or oedema.",
            "{sev} ground-glass change {where} is suspected.",
        ),
        impression=(
            "{loc} ground-glass opacity",
            "{sev} ground-glass opacity {where}",
            "{loc} ground-glass opacities, possibly infectious",
        ),
        absent=("ground-glass opacity", "ground-glass change"),
        severity={
            "mild": ("faint", "mild", "subtle"),
            "moderate": ("moderate", "patchy"),
            "severe": ("extensive", "diffuse"),
        },
    ),
    "atelectasis": Phrases(
        named=(r"atelecta", r"collapse", r"volume loss"),
        xray=(
            "There is {sev} atelectasis {where}.",
            "{sev} {loc} atelectasis.",
            "Volume loss {where} in keeping with {sev} atelectasis.",
            "{sev} volume loss {where}.",
        ),
        ct=(
            "{sev} atelectasis {where}.",
            "There is {sev} {loc} atelectasis with volume loss.",
            "{sev} atelectatic change {where}.",
            "Volume loss {where}, consistent with {sev} atelectasis.",
        ),
        unsure=(
            "Opacity {where} may represent {sev} atelectasis.",
            "Probable {sev} atelectasis {where}.",
        ),
        impression=("{loc} atelectasis", "{sev} atelectasis {where}", "{loc} volume loss"),
        absent=("atelectasis", "collapse"),
        severity={
            "mild": ("mild", "linear", "plate-like"),
            "moderate": ("moderate", "band-like"),
            "severe": ("complete", "lobar", "severe"),
        },
    ),
    "pleural_effusion": Phrases(
        named=(r"effusions?\b", r"pleural fluid"),
        xray=(
            "There {is_a}{sev} {side} pleural effusion{s}.",
            "{sev} {side} pleural effusion{s}.",
            "Blunting of the {side} costophrenic angle{s} by {a}{sev} effusion{s}.",
            "{sev} pleural fluid {on_side}.",
        ),
        ct=(
            "There {is_a}{sev} {side} pleural effusion{s}.",
            "{sev} {side} pleural effusion{s}.",
            "{sev} layering pleural fluid {on_side}.",
            "{a}{sev} {side} effusion{s} {is} present.",
        ),
        unsure=(
            "Possible {sev} {side} pleural effusion{s}.",
            "{a}{sev} {side} pleural effusion{s} cannot be excluded.",
        ),
        impression=("{sev} {side} pleural effusion{s}", "{side} pleural effusion{s}", "{side} effusion{s}, {sev}"),
        absent=("pleural effusion", "effusion", "pleural fluid"),
        severity={**AMOUNT, "severe": ("large", "massive")},
    ),
    "pneumothorax": Phrases(
        named=(r"pneumothora(x|ces)",),
        xray=(
            "There {is_a}{sev} {side} {pneumothorax}.",
            "{sev} {side} {pneumothorax}.",
            "{side} visceral pleural line in keeping with {a}{sev} {pneumothorax}.",
            "{side} {pneumothorax}, {sev} in size.",
        ),
        ct=(
            "There {is_a}{sev} {side} {pneumothorax}.",
            "{sev} {side} {pneumothorax}.",
            "Air in the {side} pleural space, consistent with {a}{sev} {pneumothorax}.",
            "{side} {pneumothorax}, {sev}.",
        ),
        unsure=(
            "Suspected {sev} {side} {pneumothorax}.",
            "{a}{sev} {side} {pneumothorax} cannot be excluded.",
            "Lucency {on_side} may represent {a}{sev} {pneumothorax}.",
        ),
        impression=("{sev} {side} {pneumothorax}", "{side} {pneumothorax}", "{side} {pneumothorax}, {sev}"),
        absent=("pneumothorax",),
        severity={**AMOUNT, "mild": ("small", "tiny", "trace"), "severe": ("large",)},
    ),
    "cardiomegaly": Phrases(
        named=(
            r"cardiomegaly",
            r"(heart|cardiac silhouette|heart size)[\w ]* (enlarged|increased)",
            r"cardiac enlargement",
            r"enlarged heart",
        ),
        xray=(
            "The heart is {sevly} enlarged.",
            "The cardiac silhouette is {sevly} enlarged.",
            "{sev} cardiomegaly.",
            "Heart size is {sevly} increased.",
            "There is {sev} cardiac enlargement.",
        ),
        ct=(
            "The heart is {sevly} enlarged.",
            "{sev} cardiomegaly.",
            "There is {sev} cardiac enlargement.",
            "Heart size is {sevly} increased.",
        ),
        unsure=("The heart is probably {sevly} enlarged.", "Heart size appears {sevly} increased."),
        impression=("{sev} cardiomegaly", "cardiomegaly", "{sevly} enlarged heart"),
        absent=("cardiomegaly", "cardiac enlargement"),
        severity={"mild": ("mild",), "moderate": ("moderate",), "severe": ("marked", "severe")},
    ),
    "emphysema": Phrases(
        named=(r"emphysema",),
        xray=(
            "Hyperinflated lungs with {sev} emphysema{pred}.",
            "{sev} emphysematous change {where}.",
            "There is {sev} emphysema{pred}.",
            "Increased lucency {where} from {sev} emphysema.",
        ),
        ct=(
            "{sev} centrilobular emphysema{pred}.",
            "There is {sev} emphysema {where}.",
            "{sev} emphysematous change {where}.",
            "{sev} emphysema{pred}.",
        ),
        unsure=("Lucency {where} suggests {sev} emphysema.", "Probable {sev} emphysema{pred}."),
        impression=("{sev} emphysema", "emphysema", "{sev} emphysematous change{pred}"),
        absent=("emphysema", "emphysematous change"),
        severity=DEGREE,
    ),
    "fibrosis": Phrases(
        named=(r"fibro(sis|tic)",),
        xray=(
            "Coarse reticular opacities {where}, in keeping with {sev} fibrosis.",
            "There is {sev} fibrosis {where}.",
            "{sev} fibrotic change {where}.",
            "{sev} interstitial fibrosis{pred}.",
        ),
        ct=(
            "Subpleural reticulation {where}, consistent with {sev} fibrosis.",
            "There is {sev} fibrosis {where} with traction bronchiectasis.",
            "{sev} pulmonary fibrosis{pred}.",
            "{sev} fibrotic change {where}.",
        ),
        unsure=("Reticular opacities {where} may represent {sev} fibrosis.", "Possible {sev} fibrosis {where}."),
        impression=("{sev} pulmonary fibrosis", "{sev} fibrosis{pred}", "fibrotic lung disease, {sev}"),
        absent=("fibrosis", "fibrotic change"),
        severity={**DEGREE, "severe": ("severe", "extensive", "advanced")},
    ),
    "lymph_node": Phrases(
        named=(r"lymph node", r"adenopathy"),
        xray=(
            "Prominent {side} hil{um} suggesting lymphadenopathy of {size}.",
            "{side} hilar lymphadenopathy, about {size}.",
            "Enlargement of the {side} hil{um}, in keeping with a {size} lymph node.",
            "There is {side} hilar adenopathy.",
        ),
        ct=(
            "Enlarged {side} hilar lymph node measuring {size}.",
            "A {side} hilar lymph node measures {size} in short axis.",
            "There is {side} hilar lymphadenopathy, {size}.",
            "{side} hilar adenopathy with a node of {size}.",
        ),
        unsure=(
            "Fullness of the {side} hil{um} may represent lymphadenopathy.",
            "Possible {side} hilar adenopathy of {size}.",
        ),
        impression=(
            "{side} hilar lymphadenopathy",
            "enlarged {side} hilar lymph node",
            "{side} hilar adenopathy, {size}",
        ),
        absent=("lymphadenopathy", "hilar adenopathy", "enlarged lymph node"),
    ),
    "rib_fracture": Phrases(
        named=(r"fracture[\w ]*\bribs?\b", r"\bribs?\b[\w ,]*fracture"),
        xray=(
            "There is a fracture of {the_rib}.",
            "{rib} fracture.",
            "Fracture of {the_rib} is noted.",
            "Cortical discontinuity of {the_rib}, consistent with fracture.",
        ),
        ct=(
            "There is a fracture of {the_rib}.",
            "{rib} fracture.",
            "Fracture of {the_rib} is seen.",
            "Cortical break in {the_rib} compatible with an acute fracture.",
        ),
        unsure=("Possible fracture of {the_rib}.", "Irregularity of {the_rib} may represent a fracture."),
        impression=("{rib} fracture", "fracture of {the_rib}", "acute {rib} fracture"),
        absent=("rib fracture", "displaced rib fracture", "acute rib fracture"),
    ),
}


def _normals(rules_out: set[str] | frozenset[str], *texts: str, only: str = "") -> tuple[Normal, ...]:
    return tuple(Normal(text, frozenset(rules_out), only) for text in texts)


EFFUSION, AIR, HEART, NODES, RIBS = (
    {"pleural_effusion"},
    {"pneumothorax"},
    {"cardiomegaly"},
    {"lymph_node"},
    {"rib_fracture"},
)

NORMALS = {
    "lungs": (
        *_normals(
            LUNGS,
            "The lungs are clear.",
            "Clear lungs.",
            "Both lungs are clear and well expanded.",
            "The lung parenchyma is unremarkable.",
            "Lungs are well aerated and clear.",
            "The lungs show no abnormality.",
            "No pulmonary abnormality.",
            "Normal appearance of both lungs.",
        ),
        *_normals({"consolidation", "mass"}, "No focal consolidation or mass.", "No consolidation or suspicious mass."),
        *_normals({"consolidation"}, "No focal airspace disease.", "No focal consolidation."),
        *_normals({"nodule", "mass"}, "No pulmonary nodule or mass.", "No suspicious nodule or mass."),
        *_normals(set(), "The airways are patent.", "The central airways are clear.", only="ct"),
        *_normals(set(), "The trachea is midline.", only="xray"),
    ),
    "pleura": (
        *_normals(
            EFFUSION | AIR,
            "No pleural effusion or pneumothorax.",
            "No effusion or pneumothorax.",
            "The pleural spaces are clear.",
            "There is no pleural effusion or pneumothorax.",
            "No pneumothorax or pleural effusion is seen.",
        ),
        *_normals(EFFUSION, "No pleural effusion.", "No effusion."),
        *_normals(EFFUSION, "The costophrenic angles are sharp.", "Costophrenic sulci are clear.", only="xray"),
        *_normals(AIR, "No pneumothorax.", "No evidence of pneumothorax."),
    ),
    "heart": (
        *_normals(
            HEART,
            "Heart size is normal.",
            "The heart is normal in size.",
            "Normal heart size.",
            "The heart is not enlarged.",
            "Cardiac size is within normal limits.",
        ),
        *_normals(
            HEART | NODES,
            "The cardiomediastinal silhouette is normal.",
            "Normal cardiomediastinal contours.",
            only="xray",
        ),
        *_normals(HEART, "The cardiac silhouette is within normal limits.", only="xray"),
        *_normals(HEART, "Heart size normal, no pericardial fluid.", only="ct"),
    ),
    "hila": (
        *_normals(
            NODES,
            "The hila are unremarkable.",
            "Mediastinal and hilar contours are normal.",
            "Mediastinum and hila are within normal limits.",
            "No lymphadenopathy.",
        ),
        *_normals(
            NODES,
            "No enlarged hilar or mediastinal lymph nodes.",
            "No mediastinal or hilar adenopathy.",
            only="ct",
        ),
        *_normals(set(), "The thoracic aorta is of normal calibre.", "Great vessels are unremarkable.", only="ct"),
    ),
    "bones": (
        *_normals(
            RIBS,
            "No acute osseous abnormality.",
            "The bones are intact.",
            "The visualised skeleton is unremarkable.",
            "No acute bony abnormality.",
            "Osseous structures are intact.",
            "No rib fracture.",
        ),
        *_normals(
            set(), "The imaged upper abdomen is unremarkable.", "Upper abdominal organs are unremarkable.", only="ct"
        ),
    ),
}

ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
SUFFIX = {1: "st", 2: "nd", 3: "rd"}
FORMS = {
    "solid": ("solid", "soft tissue"),
    "spiculated": ("spiculated",),
    "subsolid": ("subsolid", "part-solid"),
    "cavitating": ("cavitating", "cavitary"),
}
ZONE = {"upper": "upper", "middle": "mid", "lower": "lower"}


def _place(finding: Finding, zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    """``where`` ("in the right upper lobe"), ``loc`` ("right upper lobe") and ``region`` of a lung finding."""
    side, lobe = finding.side or "both", finding.lobe
    both = side == "both"
    if lobe is None:
        lung = "both lungs" if both else f"{side} lung"
        where = rng.choice(("in both lungs", "bilaterally")) if both else f"in the {lung}"
        return {"where": where, "loc": "bilateral" if both else lung, "region": lung}
    by_lobe = zone is None or (zone == lobe != "middle" and rng.random() < 0.4)
    name = f"{lobe} lobe" if by_lobe else f"{ZONE[zone or lobe]} {rng.choice(('zone', 'lung', 'lung zone'))}"
    if both:
        where = "at both lung bases" if lobe == "lower" and rng.random() < 0.4 else f"in both {name}s"
        return {"where": where, "loc": f"bilateral {name}", "region": f"{name}s bilaterally"}
    if by_lobe and lobe == "middle" and side == "left":
        return {"where": "in the left lingula", "loc": "left lingular", "region": "left lingula"}
    if zone == "lower" and rng.random() < 0.3:
        return {"where": f"at the {side} lung base", "loc": f"{side} basal", "region": f"{side} lung base"}
    loc = f"{side} {name}"
    if habits.abbreviates and by_lobe:
        loc = f"{side[0].upper()}{lobe[0].upper()}L"
    return {"where": f"in the {loc}", "loc": loc, "region": loc}


def _rib(finding: Finding, rng: Random) -> dict[str, str]:
    side = finding.side or "right"
    if finding.rib is None:
        return {"rib": f"{side} rib", "the_rib": f"a {side} rib"}
    digits = f"{finding.rib}{SUFFIX.get(finding.rib, 'th')}"
    number = rng.choice((digits, ORDINALS[finding.rib - 1]))
    return {"rib": f"{side} {number} rib", "the_rib": f"the {side} {number} rib"}


def _slots(finding: Finding, zone: str | None, habits: Habits, rng: Random) -> dict[str, str]:
    both = finding.side in ("both", None)
    place = _place(finding, zone, habits, rng)
    graded = FINDINGS[finding.name].severity.get(finding.severity, (finding.severity,))
    severity = rng.choice(graded)
    size = size_text(finding.size_mm, habits, rng, ".")
    value, unit = size.split()
    other = float(value) * rng.uniform(0.82, 0.98)
    zones = {"upper": "upper lobe", "middle": "mid-zone", "lower": "basal"}
    one_sided = "" if both else f" {place['where']}"
    return {
        **place,
        **_rib(finding, rng),
        "side": "bilateral" if both else str(finding.side),
        "on_side": "bilaterally" if both else f"on the {finding.side}",
        "size": size,
        "form": rng.choice(FORMS.get(finding.form, ("",))),
        "dims": f"{value} x {other:.1f} {unit}" if unit == "cm" else f"{value} x {other:.0f} {unit}",
        "sev": severity,
        "sevly": f"{severity}ly",
        "is_a": "are " if both else "is a ",
        "a": "" if both else "a ",
        "is": "are" if both else "is",
        "s": "s" if both else "",
        "um": "a" if both else "um",
        "pneumothorax": "pneumothoraces" if both else "pneumothorax",
        "pred": f", {zones[finding.lobe]} predominant" if both and finding.lobe else one_sided,
    }


def _polish(text: str) -> str:
    """Articles before a vowel sound ("an 8 mm", "an extensive") and no doubled spaces."""
    text = re.sub(r"\b([Aa]) (?=[aeio]|8|11\b|18\b)", r"\1n ", text)
    text = text.replace("the both", "both")
    return re.sub(r"  +", " ", text)


WORDING = Wording(
    findings=FINDINGS,
    normals=NORMALS,
    organs={"lungs": "Lungs", "pleura": "Pleura", "heart": "Heart", "hila": "Mediastinum", "bones": "Bones"},
    otherwise_clear=(
        "The lungs are otherwise clear.",
        "The remaining lungs are clear.",
        "Otherwise clear lungs.",
        "The rest of the lung parenchyma is unremarkable.",
    ),
    negations=("No {}.", "No evidence of {}.", "There is no {}.", "Negative for {}.", "No {} identified."),
    joiner="or",
    normal_impression={
        "any": (
            "No acute cardiopulmonary abnormality.",
            "No acute cardiopulmonary process.",
            "No acute findings.",
            "Unremarkable study.",
            "No evidence of acute cardiopulmonary disease.",
            "No active chest disease.",
            "Normal examination.",
            "No significant abnormality.",
        ),
        "xray": ("Normal chest radiograph.", "Normal chest X-ray.", "Unremarkable chest radiograph."),
        "ct": ("Normal CT of the chest.", "Unremarkable chest CT.", "No significant abnormality on chest CT."),
    },
    follow_up=("Follow-up CT is recommended.", "Clinical correlation is advised.", "Recommend further evaluation."),
    headings={
        "indication": ("Indication", "History", "Clinical history"),
        "technique": ("Technique", "Technique", "Examination"),
        "comparison": ("Comparison",),
        "findings": ("Findings",),
        "impression": ("Impression", "Impression", "Conclusion"),
    },
    indications=(
        "Cough and fever.",
        "Shortness of breath.",
        "Chest pain.",
        "{age}-year-old {person} with cough.",
        "{age}-year-old {person}, dyspnoea on exertion.",
        "{age}-year-old {person} with chest pain.",
        "Fall, rule out injury.",
        "Pre-operative assessment.",
        "Follow-up.",
        "Weight loss.",
        "Haemoptysis.",
    ),
    technique={
        "PA": ("PA view of the chest.", "Frontal PA radiograph.", "Chest radiograph, PA."),
        "AP": ("Portable AP view of the chest.", "Single AP radiograph.", "Chest radiograph, AP, supine."),
        "ct": ("CT of the chest.", "Helical CT of the thorax.", "Chest CT."),
    },
    comparison=("None.", "None available.", "No prior studies."),
    slots=_slots,
    polish=_polish,
)
