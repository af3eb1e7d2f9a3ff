"""English phrases of the phantom's radiologists."""

from unimedi.phantom.wording.language import AIR, EFFUSION, HEART, LUNGS, NODES, NOTHING, RIBS, Phrases, normals

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


NORMALS = {
    "lungs": (
        *normals(
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
        *normals({"consolidation", "mass"}, "No focal consolidation or mass.", "No consolidation or suspicious mass."),
        *normals({"consolidation"}, "No focal airspace disease.", "No focal consolidation."),
        *normals({"nodule", "mass"}, "No pulmonary nodule or mass.", "No suspicious nodule or mass."),
        *normals(NOTHING, "The airways are patent.", "The central airways are clear.", only="ct"),
        *normals(NOTHING, "The trachea is midline.", only="xray"),
    ),
    "pleura": (
        *normals(
            EFFUSION | AIR,
            "No pleural effusion or pneumothorax.",
            "No effusion or pneumothorax.",
            "The pleural spaces are clear.",
            "There is no pleural effusion or pneumothorax.",
            "No pneumothorax or pleural effusion is seen.",
        ),
        *normals(EFFUSION, "No pleural effusion.", "No effusion."),
        *normals(EFFUSION, "The costophrenic angles are sharp.", "Costophrenic sulci are clear.", only="xray"),
        *normals(AIR, "No pneumothorax.", "No evidence of pneumothorax."),
    ),
    "heart": (
        *normals(
            HEART,
            "Heart size is normal.",
            "The heart is normal in size.",
            "Normal heart size.",
            "The heart is not enlarged.",
            "Cardiac size is within normal limits.",
        ),
        *normals(
            HEART | NODES,
            "The cardiomediastinal silhouette is normal.",
            "Normal cardiomediastinal contours.",
            only="xray",
        ),
        *normals(HEART, "The cardiac silhouette is within normal limits.", only="xray"),
        *normals(HEART, "Heart size normal, no pericardial fluid.", only="ct"),
    ),
    "hila": (
        *normals(
            NODES,
            "The hila are unremarkable.",
            "Mediastinal and hilar contours are normal.",
            "Mediastinum and hila are within normal limits.",
            "No lymphadenopathy.",
        ),
        *normals(
            NODES,
            "No enlarged hilar or mediastinal lymph nodes.",
            "No mediastinal or hilar adenopathy.",
            only="ct",
        ),
        *normals(NOTHING, "The thoracic aorta is of normal calibre.", "Great vessels are unremarkable.", only="ct"),
    ),
    "bones": (
        *normals(
            RIBS,
            "No acute osseous abnormality.",
            "The bones are intact.",
            "The visualised skeleton is unremarkable.",
            "No acute bony abnormality.",
            "Osseous structures are intact.",
            "No rib fracture.",
        ),
        *normals(
            NOTHING,
            "The imaged upper abdomen is unremarkable.",
            "Upper abdominal organs are unremarkable.",
            only="ct",
        ),
    ),
}
