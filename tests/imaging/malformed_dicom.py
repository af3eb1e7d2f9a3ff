"""DICOM files that are wrong, each in one way: a name, its bytes, and what reading must come to.

``SAME``: the pixels of the plain file (the oddity is harmless). ``READ``: some image, finite and of the right shape.
Otherwise the reasons that are right; several, where decoders may see it first in different places.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

SHAPE = (48, 40)
PIXELS = np.random.default_rng(0).integers(0, 4096, size=SHAPE).astype(np.uint16)
SAME, READ = frozenset({"same"}), frozenset({"read"})
UNREADABLE = frozenset({"unreadable"})
BAD = frozenset({"unreadable", "unsupported"})
TOO_LARGE = frozenset({"unreadable", "too_large"})
Built = tuple[bytes, frozenset[str]]


def plain(syntax: str = ExplicitVRLittleEndian, **tags: object) -> Dataset:
    """A digital radiograph that is right."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid(entropy_srcs=["nasty"])
    header.Modality, header.PatientID = "DX", "p"
    header.Rows, header.Columns = SHAPE
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    header.PixelData = PIXELS.tobytes()
    header["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(header, name, value)
    return header


def written(header: Dataset) -> bytes:
    file = io.BytesIO()
    header.save_as(file, enforce_file_format=True)
    return file.getvalue()


def without(*names: str, **tags: object) -> bytes:
    header = plain(**tags)  # type: ignore[arg-type]
    for name in names:
        del header[name]
    return written(header)


def element(group: int, number: int, kind: bytes, value: bytes, length: int | None = None) -> bytes:
    """An explicit little endian element; ``length`` may lie."""
    size = len(value) if length is None else length
    if kind in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF"):
        return struct.pack("<HH2sHI", group, number, kind, 0, size) + value
    return struct.pack("<HH2sH", group, number, kind, size) + value


def patched(tag: tuple[int, int], kind: bytes, value: bytes, **tags: object) -> bytes:
    """The plain file with the value of a short element replaced by raw bytes of any meaning."""
    data = written(plain(**tags))  # type: ignore[arg-type]
    start = data.index(struct.pack("<HH2s", *tag, kind), 132)
    (old,) = struct.unpack_from("<H", data, start + 6)
    return data[: start + 6] + struct.pack("<H", len(value)) + value + data[start + 8 + old :]


def pixel_data(content: bytes, length: int | None = None) -> bytes:
    """The plain file up to its pixels, then these bytes as Pixel Data."""
    data = written(plain())
    return data[: data.index(b"\xe0\x7f\x10\x00OW")] + element(0x7FE0, 0x0010, b"OW", content, length)


def encapsulated(syntax: str, content: bytes, **tags: object) -> bytes:
    header = plain(syntax, **tags)
    header.PixelData = content
    header["PixelData"].VR = "OB"
    header["PixelData"].is_undefined_length = True
    return written(header)


def meta_only(dataset: bytes, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A right preamble and meta group, then any bytes."""
    data = written(plain(syntax))
    group = 144 + struct.unpack_from("<I", data, 140)[0]
    return data[:group] + dataset


def nested(depth: int) -> bytes:
    """Sequences inside sequences, of undefined length, before the pixels."""
    opened = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closed = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return opened * depth + closed * depth


def palette(**tags: object) -> dict[str, object]:
    table = np.arange(256, dtype=np.uint16) * 257
    colours = ("Red", "Green", "Blue")
    lookup: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR", "BitsAllocated": 8, "BitsStored": 8}
    lookup |= {"HighBit": 7, "PixelData": (PIXELS >> 4).astype(np.uint8).tobytes()}
    lookup |= {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in colours}
    lookup |= {f"{c}PaletteColorLookupTableData": table.tobytes() for c in colours}
    return {**lookup, **tags}


def lut(values: np.ndarray, descriptor: list[int]) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = descriptor, values.astype(np.uint16).tobytes()
    item["LUTData"].VR = "OW"
    item.ModalityLUTType = "US"
    return [item]


def _whole() -> Iterator[tuple[str, Built]]:
    data = written(plain())
    yield "nothing at all", (b"", UNREADABLE)
    yield "a preamble and no more", (bytes(128), BAD)
    yield "magic word and no more", (bytes(128) + b"DICM", BAD)
    yield "cut in the meta group", (data[:160], BAD)
    yield "cut in the header", (data[:340], BAD)
    yield "cut in the pixels", (data[:-1000], UNREADABLE)
    yield "one byte of pixels missing", (data[:-1], UNREADABLE)
    yield "polyglot of a program", (b"\x7fELF\x02\x01\x01".ljust(128, b"\0") + data[128:], SAME)
    yield "polyglot of an archive", (b"PK\x03\x04".ljust(128, b"\0") + data[128:], SAME)
    yield "polyglot of a picture", (b"\x89PNG\r\n\x1a\n".ljust(128, b"\0") + data[128:], SAME | UNREADABLE)
    yield "a text with the right name", (b"This is no image. " * 40, BAD)
    yield "noise after the pixels", (data + bytes(range(256)), SAME | UNREADABLE)
    yield "big endian", (_big_endian(), SAME)
    yield "implicit little endian", (written(plain(ImplicitVRLittleEndian)), SAME)


def _big_endian() -> bytes:
    header = plain(ExplicitVRBigEndian)
    header.PixelData = PIXELS.byteswap().tobytes()
    return written(header)


def _structure() -> Iterator[tuple[str, Built]]:
    yield "sequences nested 5,000 deep", (_before_pixels(nested(5000)), SAME | UNREADABLE)
    yield "sequences nested 40 deep", (_before_pixels(nested(40)), SAME)
    yield "an element of 4 GB", (_before_pixels(element(0x0009, 0x0010, b"UN", b"x", 0xFFFFFFF0)), BAD)
    yield "pixels of 4 GB", (pixel_data(PIXELS.tobytes(), 0xFFFFFFF0), SAME | UNREADABLE)
    yield "a text of 64 kB in 10 bytes", (_before_pixels(element(0x0008, 0x103E, b"LO", b"x" * 10, 0xFFFE)), BAD)
    yield "undefined length without an end", (_before_pixels(element(0x0008, 0x1140, b"SQ", b"", 0xFFFFFFFF)), BAD)
    yield "unknown kind of value", (_before_pixels(element(0x0008, 0x103E, b"??", b"ab")), SAME | BAD)
    yield "elements in the wrong order", (_before_pixels(element(0x0008, 0x0070, b"LO", b"ab")), SAME)
    yield "pixels twice", (_twice(), UNREADABLE)
    yield "no pixels", (without("PixelData"), BAD)
    yield "pixels of no bytes", (pixel_data(b""), UNREADABLE)
    yield "strange alphabet", (_before_pixels(element(0x0008, 0x0005, b"CS", b"ISO 9999 IR 1 ")), SAME)
    yield "a name of a megabyte", (written(plain(PatientComments="x" * (1 << 20))), SAME)
    yield "private noise", (_before_pixels(element(0x0043, 0x1001, b"OB", bytes(range(256)) * 8)), SAME)
    yield "deflated", (_deflated(written_dataset()), SAME)
    yield "deflated noise", (meta_only(bytes(range(256)) * 4, DeflatedExplicitVRLittleEndian), BAD)
    yield "a deflate bomb of 2 GiB", (_bomb(), TOO_LARGE | BAD)


def _before_pixels(extra: bytes) -> bytes:
    data = written(plain())
    at = data.index(b"\x28\x00\x02\x00US")  # Samples per Pixel, the first of the image's group
    return data[:at] + extra + data[at:]


def _twice() -> bytes:
    data = written(plain())
    return data + element(0x7FE0, 0x0010, b"OW", bytes(PIXELS.nbytes))


def written_dataset() -> bytes:
    data = written(plain())
    return data[144 + struct.unpack_from("<I", data, 140)[0] :]


def _deflated(dataset: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return meta_only(packer.compress(dataset) + packer.flush(), DeflatedExplicitVRLittleEndian)


def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    head = written_dataset()
    packed = packer.compress(head[: head.index(b"\xe0\x7f\x10\x00OW")])
    packed += packer.compress(element(0x7FE0, 0x0010, b"OW", b"", 2047 << 20))
    for _ in range(2047):
        packed += packer.compress(bytes(1 << 20))
    return meta_only(packed + packer.flush(), DeflatedExplicitVRLittleEndian)


def _image() -> Iterator[tuple[str, Built]]:
    yield "65,535 x 65,535 pixels", (written(plain(Rows=65535, Columns=65535)), TOO_LARGE)
    yield "two billion frames", (written(plain(NumberOfFrames=2**31 - 1)), TOO_LARGE | {"wrong_dimension"})
    yield "frames that are no number", (patched_frames(), SAME | BAD | {"wrong_dimension"})
    yield "a negative number of frames", (written(plain(NumberOfFrames=-1)), SAME | BAD | {"wrong_dimension"})
    yield "no rows", (written(plain(Rows=0)), BAD | {"too_small"})
    yield "no columns element", (without("Columns"), BAD)
    yield "rows that are a text", (patched((0x28, 0x10), b"US", b"abcd"), BAD)
    yield "7 bits a pixel", (written(plain(BitsAllocated=7)), BAD)
    yield "64 bits a pixel", (written(plain(BitsAllocated=64)), BAD)
    yield "more bits stored than there are", (written(plain(BitsStored=32, HighBit=31)), BAD | SAME)
    yield "no bits stored", (written(plain(BitsStored=0)), BAD | SAME)
    yield "no samples", (written(plain(SamplesPerPixel=0)), BAD)
    yield "five samples", (written(plain(SamplesPerPixel=5)), BAD)
    yield "three samples of one", (written(plain(SamplesPerPixel=3)), BAD)
    yield "no photometric interpretation", (without("PhotometricInterpretation"), BAD | SAME)
    yield "unknown photometric interpretation", (written(plain(PhotometricInterpretation="FOO")), BAD | SAME)
    yield "no sign", (without("PixelRepresentation"), BAD)
    yield "sign of 7", (written(plain(PixelRepresentation=7)), BAD)
    yield "a palette", (written(plain(**palette())), READ)  # type: ignore[arg-type]
    yield "a palette's index out of range", (_short_palette(), READ | BAD)
    yield "a palette that is not there", (written(plain(PhotometricInterpretation="PALETTE COLOR")), BAD)
    yield "a palette that lies", (written(plain(**palette(RedPaletteColorLookupTableDescriptor=[9, 0, 16]))), BAD)  # type: ignore[arg-type]
    yield "spacing of 0", (written(plain(PixelSpacing=[0, 0])), SAME | {"bad_spacing"})
    yield "spacing below 0", (written(plain(PixelSpacing=[-1, 1])), SAME | {"bad_spacing"})
    yield "spacing that is no number", (_text("PixelSpacing", "abc\\def"), SAME | BAD | {"bad_spacing"})


def patched_frames() -> bytes:
    return _text("NumberOfFrames", "many")


def _text(name: str, value: str) -> bytes:
    """An element whose text its kind does not allow."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(name)
    assert tag is not None
    kind = {"NumberOfFrames": b"IS"}.get(name, b"DS")
    raw = value.encode() + b" " * (len(value) % 2)
    return _before_pixels(element(tag >> 16, tag & 0xFFFF, kind, raw))


def _short_palette() -> bytes:
    tables = {
        f"{c}PaletteColorLookupTableData": np.arange(16, dtype=np.uint16).tobytes() for c in ("Red", "Green", "Blue")
    }
    sizes = {f"{c}PaletteColorLookupTableDescriptor": [16, 0, 16] for c in ("Red", "Green", "Blue")}
    return written(plain(**palette(**tables, **sizes)))  # type: ignore[arg-type]


def _values() -> Iterator[tuple[str, Built]]:
    yield "slope of 0", (written(plain(RescaleSlope=0, RescaleIntercept=0)), frozenset({"bad_scaling"}))
    yield "slope that is no number", (_text("RescaleSlope", "NaN") + b"", SAME | BAD | {"nan", "constant"})
    yield "slope beyond a float", (_text("RescaleSlope", "1e309"), SAME | BAD | {"nan", "constant"})
    yield "a window of no width", (written(plain(WindowCenter=2000, WindowWidth=0)), SAME | BAD)
    yield "a window of negative width", (written(plain(WindowCenter=2000, WindowWidth=-500)), SAME | BAD)
    yield "a centre without a width", (written(plain(WindowCenter=2000)), SAME | BAD)
    yield "an empty display table", (written(plain(VOILUTSequence=lut(np.arange(0), [4096, 0, 16]))), BAD | SAME)
    yield "a short display table", (written(plain(VOILUTSequence=lut(np.arange(9), [4096, 0, 16]))), BAD | SAME)
    yield "a short modality table", (written(plain(ModalityLUTSequence=lut(np.arange(9), [4096, 0, 16]))), BAD | SAME)
    yield (
        "an empty modality table",
        (written(plain(ModalityLUTSequence=lut(np.arange(0), [0, 0, 16]))), BAD | SAME | {"constant"}),
    )


def _compressed() -> Iterator[tuple[str, Built]]:
    yield "RLE", (_rle(), SAME)
    yield "RLE with segments beyond the end", (_rle(lambda d: d[:4] + b"\xff\xff\xff\x7f" * 15 + d[64:]), UNREADABLE)
    yield "RLE cut short", (_rle(lambda d: d[: len(d) // 2]), UNREADABLE)
    yield "RLE with 200 segments", (_rle(lambda d: b"\xc8\0\0\0" + d[4:]), UNREADABLE)
    for name, syntax in (("JPEG 2000", JPEG2000Lossless), ("JPEG", JPEGBaseline8Bit), ("JPEG-LS", JPEGLSLossless)):
        noise = np.random.default_rng(1).integers(0, 256, 2000).astype(np.uint8).tobytes()
        yield f"noise as {name}", (encapsulated(syntax, encapsulate([noise])), UNREADABLE)
        yield f"no fragments of {name}", (encapsulated(syntax, encapsulate([b"\0\0"])), UNREADABLE)
        yield (
            f"plain pixels called {name}",
            (written(plain(syntax, PixelData=encapsulate([PIXELS.tobytes()]))), UNREADABLE),
        )
    yield "fragments without an end", (_rle()[:-8], SAME | BAD)
    yield "implicit called explicit", (meta_only(_implicit()), SAME | BAD)
    yield "explicit called implicit", (meta_only(written_dataset(), ImplicitVRLittleEndian), SAME | BAD)
    yield "explicit called big endian", (meta_only(written_dataset(), ExplicitVRBigEndian), BAD)
    yield "unknown transfer syntax", (written(plain()).replace(b"10008.1.2.1\0", b"10008.9.9.9\0"), SAME | BAD)


def _implicit() -> bytes:
    data = written(plain(ImplicitVRLittleEndian))
    return data[144 + struct.unpack_from("<I", data, 140)[0] :]


def _rle(change: Callable[[bytes], bytes] = lambda data: data) -> bytes:
    header = plain()
    header.compress(RLELossless, generate_instance_uid=False)
    content = header.PixelData
    # The basic offset table (8 bytes, empty or of one offset), then one fragment: item tag, length, the frame.
    start = content.index(b"\xfe\xff\x00\xe0", 4) + 8
    frame = change(content[start : start + struct.unpack_from("<I", content, start - 4)[0]])
    return encapsulated(RLELossless, encapsulate([frame]))


@dataclass(frozen=True)
class Malformed:
    """``expected``: the outcomes that are right."""

    name: str
    content: bytes
    expected: frozenset[str]


def malformed() -> list[Malformed]:
    """All of them; pydicom is told to write what it would warn of or refuse."""
    groups = (_whole(), _structure(), _image(), _values(), _compressed())
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings(action="ignore"):
            return [Malformed(name, *built) for group in groups for name, built in group]
    finally:
        config.settings.writing_validation_mode = before
