"""Ask an archive from Python: ``python examples/search_archive.py ARCHIVE MODEL WORDS [IMAGE]``.

Prints the five CTs and the five X-rays that fit the words best, by their images alone; with IMAGE those that are also
like it. ARCHIVE is what ``unimedi index`` made with the same MODEL.
"""

import sys

import unimedi
from unimedi.archive.archive import Archive
from unimedi.archive.filters import Filter
from unimedi.archive.printing import as_table
from unimedi.archive.query import Query, more_like


def main(place: str, folder: str, words: str, image: str = "") -> None:
    archive, model = Archive(place), unimedi.load(folder)
    vector = model.texts(words)[0]
    if image:
        vector = more_like(vector, more=list(model.images(image)), less=[])
    query = Query(vector, model.embedder.fingerprint, words, ways=("image",))
    for name, modalities in (("CTs", ("CT",)), ("X-rays", ("DX", "CR"))):
        hits = archive.search(query, Filter(modality=modalities), k=5)
        print(f"{name}, by cosine with their images\n{as_table(hits, words)}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
