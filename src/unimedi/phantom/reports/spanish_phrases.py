"""Spanish phrases of the phantom's radiologists."""

from unimedi.phantom.wording.language import AIR, EFFUSION, HEART, LUNGS, NODES, NOTHING, RIBS, Phrases, normals

FEMININE = {
    "mild": ("leve", "pequeña"),
    "moderate": ("moderada",),
    "severe": ("extensa", "severa"),
}
MASCULINE = {
    "mild": ("leve", "pequeño"),
    "moderate": ("moderado",),
    "severe": ("extenso", "severo"),
}
DEGREE = {"mild": ("leve",), "moderate": ("moderado",), "severe": ("severo", "avanzado")}

FINDINGS = {
    "nodule": Phrases(
        named=(r"nódulos?\b", r"opacidad nodular"),
        xray=(
            "Nódulo de {size} {where}.",
            "Opacidad nodular de {size} proyectada {where}.",
            "Se observa un nódulo de aproximadamente {size} {where}.",
            "{where} se identifica un nódulo de {size}.",
        ),
        ct=(
            "Nódulo pulmonar {form_m} de {size} {where}.",
            "Se identifica un nódulo de {size} {where}.",
            "Nódulo de {size} de diámetro {where}.",
            "{where} se observa un nódulo de {size}.",
        ),
        unsure=(
            "Opacidad nodular de {size} {where}, que podría corresponder a un nódulo pulmonar.",
            "Posible nódulo de {size} {where}.",
            "No se puede descartar un nódulo de {size} {where}.",
        ),
        impression=("nódulo de {size} {where}", "nódulo pulmonar {where}"),
        absent=("nódulos pulmonares", "nódulos"),
    ),
    "mass": Phrases(
        named=(r"masas?\b",),
        xray=(
            "Masa de {size} {where}.",
            "Se observa una gran masa de {size} {where}.",
            "Masa redondeada {where}, de unos {size}.",
        ),
        ct=(
            "Masa de {dims} {where}.",
            "Masa {form_f} {where} que mide {dims}.",
            "{where} se identifica una masa de {size}, sospechosa de malignidad.",
        ),
        unsure=("Probable masa de {size} {where}.", "Lesión de {size} {where}, que podría corresponder a una masa."),
        impression=("masa de {size} {where}", "masa {where}, sospechosa de malignidad"),
        absent=("masas", "masas sospechosas"),
    ),
    "consolidation": Phrases(
        named=(r"consolidación", r"neumonía"),
        xray=(
            "Consolidación {sev} {where}.",
            "Se observa consolidación {sev} {where}.",
            "Opacidad alveolar {where} compatible con consolidación {sev}.",
        ),
        ct=(
            "Consolidación {sev} {where}.",
            "Consolidación {sev} {where} con broncograma aéreo.",
            "{where} se observa una consolidación {sev}.",
        ),
        unsure=(
            "Opacidad {sev} {where}, que podría corresponder a neumonía.",
            "Probable consolidación {sev} {where}.",
        ),
        impression=("consolidación {where}", "consolidación {where}, probable neumonía", "neumonía {where}"),
        absent=("consolidación", "consolidaciones"),
        severity={"mild": ("leve", "parcheada"), "moderate": ("moderada",), "severe": ("extensa", "densa")},
    ),
    "ground_glass": Phrases(
        named=(r"vidrio (deslustrado|esmerilado)",),
        xray=("Opacidad en vidrio deslustrado {sev} {where}.", "Tenue opacidad en vidrio esmerilado {sev} {where}."),
        ct=(
            "Opacidad en vidrio deslustrado {sev} {where}.",
            "Se observan áreas en vidrio deslustrado {where}, de extensión {sev}.",
            "{where}, opacidad en vidrio esmerilado {sev}.",
        ),
        unsure=("Posible opacidad en vidrio deslustrado {sev} {where}.",),
        impression=("vidrio deslustrado {where}", "opacidad en vidrio deslustrado {sev} {where}"),
        absent=("vidrio deslustrado", "opacidades en vidrio deslustrado"),
        severity={"mild": ("leve",), "moderate": ("moderada",), "severe": ("extensa", "difusa")},
    ),
    "atelectasis": Phrases(
        named=(r"atelectasia", r"pérdida de volumen", r"colapso"),
        xray=(
            "Atelectasia {sev} {where}.",
            "Pérdida de volumen {where} por atelectasia {sev}.",
            "Se observa atelectasia {sev} {where}.",
        ),
        ct=(
            "Atelectasia {sev} {where}.",
            "Atelectasia {sev} {where} con pérdida de volumen.",
            "{where}, atelectasia {sev}.",
        ),
        unsure=(
            "Opacidad {where}, que podría corresponder a atelectasia {sev}.",
            "Probable atelectasia {sev} {where}.",
        ),
        impression=("atelectasia {where}", "atelectasia {sev} {where}"),
        absent=("atelectasias",),
        severity={"mild": ("leve", "laminar"), "moderate": ("moderada",), "severe": ("completa", "lobar")},
    ),
    "pleural_effusion": Phrases(
        named=(r"derrames?\b",),
        xray=(
            "Derrame pleural {side_m} {sev}.",
            "Se observa derrame pleural {sev} {side_m}.",
            "Borramiento del seno costofrénico {side_m} por derrame {sev}.",
        ),
        ct=("Derrame pleural {side_m} {sev}.", "Se identifica derrame pleural {sev} {side_m}."),
        unsure=("Posible derrame pleural {side_m} {sev}.", "No se puede descartar derrame pleural {side_m} {sev}."),
        impression=("derrame pleural {side_m}", "derrame pleural {side_m} {sev}"),
        absent=("derrame pleural", "derrame"),
        severity={**MASCULINE, "severe": ("extenso", "masivo")},
    ),
    "pneumothorax": Phrases(
        named=(r"neumotórax",),
        xray=(
            "Neumotórax {side_m} {sev}.",
            "Se observa neumotórax {sev} {side_m}.",
            "Línea pleural visceral visible {on_side}, compatible con neumotórax {sev}.",
        ),
        ct=("Neumotórax {side_m} {sev}.", "Aire en el espacio pleural {side_m}, compatible con neumotórax {sev}."),
        unsure=("Posible neumotórax {side_m} {sev}.", "No se puede descartar neumotórax {side_m} {sev}."),
        impression=("neumotórax {side_m}", "neumotórax {side_m} {sev}"),
        absent=("neumotórax",),
        severity=MASCULINE,
    ),
    "cardiomegaly": Phrases(
        named=(r"cardiomegalia", r"(corazón|silueta cardíaca)[\w ]* aumentad[oa]"),
        xray=(
            "Cardiomegalia {sev}.",
            "Silueta cardíaca aumentada de tamaño, cardiomegalia {sev}.",
            "Corazón aumentado de tamaño de forma {sev}.",
        ),
        ct=("Cardiomegalia {sev}.", "Corazón aumentado de tamaño, con cardiomegalia {sev}."),
        unsure=("Probable cardiomegalia {sev}.",),
        impression=("cardiomegalia {sev}", "cardiomegalia"),
        absent=("cardiomegalia",),
        severity={"mild": ("leve",), "moderate": ("moderada",), "severe": ("severa", "marcada")},
    ),
    "emphysema": Phrases(
        named=(r"enfisema",),
        xray=(
            "Enfisema {sev}{pred}.",
            "Pulmones hiperinsuflados con enfisema {sev}{pred}.",
            "Cambios de enfisema {sev} {where}.",
        ),
        ct=("Enfisema centrolobulillar {sev}{pred}.", "Enfisema {sev}{pred}.", "Enfisema {sev} {where}."),
        unsure=("Hiperclaridad {where}, que sugiere enfisema {sev}.",),
        impression=("enfisema {sev}", "enfisema pulmonar", "enfisema {sev}{pred}"),
        absent=("enfisema",),
        severity=DEGREE,
    ),
    "fibrosis": Phrases(
        named=(r"fibrosis", r"fibrótic"),
        xray=(
            "Patrón reticular {where}, en relación con fibrosis {sev}.",
            "Fibrosis {sev} {where}.",
            "Cambios de fibrosis {sev} {where}.",
        ),
        ct=(
            "Reticulación subpleural {where}, compatible con fibrosis {sev}.",
            "Fibrosis pulmonar {sev}{pred}.",
            "Fibrosis {sev} {where} con bronquiectasias de tracción.",
        ),
        unsure=("Opacidades reticulares {where}, que podrían corresponder a fibrosis {sev}.",),
        impression=("fibrosis pulmonar {sev}", "fibrosis {sev}{pred}"),
        absent=("fibrosis", "cambios fibróticos"),
        severity={"mild": ("leve",), "moderate": ("moderada",), "severe": ("severa", "avanzada")},
    ),
    "lymph_node": Phrases(
        named=(r"adenopatías?", r"ganglios?\b"),
        xray=(
            "Aumento de tamaño del hilio {side_h}, en relación con adenopatía de {size}.",
            "Adenopatía hiliar {side_f} de unos {size}.",
        ),
        ct=(
            "Adenopatía hiliar {side_f} de {size}.",
            "Ganglio hiliar {side_h} aumentado de tamaño, de {size} en su eje corto.",
        ),
        unsure=("Prominencia del hilio {side_h}, que podría corresponder a adenopatía.",),
        impression=("adenopatía hiliar {side_f}", "adenopatía hiliar {side_f} de {size}"),
        absent=("adenopatías", "adenopatías hiliares"),
    ),
    "rib_fracture": Phrases(
        named=(r"fractura[\w ]*(arco|costilla)",),
        xray=("Fractura {of_rib}.", "Se observa fractura {of_rib}.", "Trazo de fractura {of_rib}."),
        ct=("Fractura {of_rib}.", "Se identifica fractura {of_rib}."),
        unsure=("Posible fractura {of_rib}.",),
        impression=("fractura {of_rib}",),
        absent=("fracturas costales",),
    ),
}


NORMALS = {
    "lungs": (
        *normals(
            LUNGS,
            "Parénquima pulmonar sin alteraciones.",
            "Pulmones bien ventilados, sin opacidades.",
            "Campos pulmonares libres.",
            "Pulmones sin hallazgos patológicos.",
            "Ambos pulmones de aspecto normal.",
        ),
        *normals(
            {"consolidation", "mass"}, "Sin consolidaciones ni masas.", "No se observan masas ni consolidaciones."
        ),
        *normals({"nodule", "mass"}, "No se identifican nódulos ni masas."),
        *normals({"consolidation"}, "Sin consolidación."),
        *normals(NOTHING, "Vía aérea central permeable.", only="ct"),
        *normals(NOTHING, "Tráquea centrada.", only="xray"),
    ),
    "pleura": (
        *normals(
            EFFUSION | AIR,
            "Sin derrame pleural ni neumotórax.",
            "No se observa derrame pleural ni neumotórax.",
            "Espacios pleurales libres.",
        ),
        *normals(EFFUSION, "Sin derrame pleural."),
        *normals(EFFUSION, "Senos costofrénicos libres.", only="xray"),
        *normals(AIR, "Sin neumotórax."),
    ),
    "heart": normals(
        HEART,
        "Corazón de tamaño normal.",
        "Silueta cardíaca normal.",
        "Tamaño cardíaco dentro de la normalidad.",
        "Índice cardiotorácico normal.",
    ),
    "hila": (
        *normals(NODES, "Hilios y mediastino normales.", "Mediastino sin alteraciones.", "Hilios de aspecto normal."),
        *normals(NODES, "Sin adenopatías mediastínicas ni hiliares.", only="ct"),
        *normals(NOTHING, "Aorta torácica de calibre normal.", only="ct"),
    ),
    "bones": (
        *normals(
            RIBS,
            "Estructuras óseas sin alteraciones.",
            "Sin lesiones óseas agudas.",
            "Marco óseo conservado.",
        ),
        *normals(NOTHING, "Abdomen superior sin alteraciones.", only="ct"),
    ),
}
