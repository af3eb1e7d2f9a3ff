import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unimedi.imaging.image import ImagingError, Radiograph
from unimedi.imaging.read import read_image

GREY = np.kron(np.arange(12).reshape(3, 4) * 20, np.ones((8, 8))).astype(np.uint8)  # 24 x 32, no two blocks alike
NOISE = np.random.default_rng(0).integers(0, 256, size=(64, 64)).astype(np.uint8)
ORIENTED = {  # EXIF tag 274: how the stored picture is to be shown
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}
TIFF_TYPES = {3: ("H", 2), 4: ("I", 4)}  # SHORT and LONG


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert isinstance(image, Radiograph)
    assert image.spacing is None
    return image.pixels


def reason(path: Path) -> str:
    with pytest.raises(ImagingError, match=path.name) as caught:
        read_image(path)
    return caught.value.reason


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    head = struct.pack(">2I5B", width, height, bits, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(array: np.ndarray, sample_format: int = 1, photometric: int = 1, **tags: int) -> bytes:
    """A plain TIFF by hand, of number types and tags that Pillow does not write; ``tags``: t256=..., a tag's value."""
    height, width = array.shape
    fields = {256: width, 257: height, 258: 8 * array.itemsize, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
    fields |= {279: array.nbytes, 339: sample_format} | {int(name[1:]): value for name, value in tags.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    directory = struct.pack("<H", len(fields)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + array.nbytes) + array.tobytes() + directory


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("orientation", ORIENTED)
def test_the_exif_rotation_is_applied_once(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(GREY).save(tmp_path / "x", format=kind, exif=exif, quality=100)
    expected = ORIENTED[orientation](GREY)
    assert pixels(tmp_path / "x").shape == expected.shape
    assert np.abs(pixels(tmp_path / "x") - expected).max() <= 1


MODES = {
    "PNG": ("1", "P", "LA", "RGB", "RGBA"),
    "JPEG": ("1", "RGB", "CMYK"),
    "TIFF": ("1", "P", "LA", "RGB", "RGBA", "CMYK"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_kind_of_colour_becomes_the_same_grey(kind: str, mode: str, tmp_path: Path) -> None:
    grey = np.where(GREY > 100, 255, 0).astype(np.uint8) if mode == "1" else GREY
    picture = Image.fromarray(grey).convert("RGB" if mode == "CMYK" else mode).convert(mode)
    picture.save(tmp_path / "x", format=kind, quality=100)
    assert np.abs(pixels(tmp_path / "x") - grey).max() <= 3


def test_an_adobe_jpeg_of_four_inks_is_not_inverted(tmp_path: Path) -> None:
    """Inks stored inverted, which only the Adobe marker tells."""
    Image.fromarray(GREY).convert("RGB").convert("CMYK").save(tmp_path / "x.jpg", quality=100)
    content = (tmp_path / "x.jpg").read_bytes()
    assert b"Adobe" in content
    assert np.abs(pixels(tmp_path / "x.jpg") - GREY).max() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_an_interlaced_png_is_read(bits: int, tmp_path: Path) -> None:
    array = GREY.astype(">u2") * 257 if bits == 16 else GREY
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7
    rows = [row for top, left, down, right in passes for row in array[top::down, left::right]]
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    (tmp_path / "x.png").write_bytes(png(32, 24, data, bits, interlaced=1))
    assert np.array_equal(pixels(tmp_path / "x.png"), array)


def test_a_palette_with_transparency_and_a_16_bit_picture_with_alpha(tmp_path: Path) -> None:
    palette = Image.fromarray(GREY).convert("P")
    palette.save(tmp_path / "p.png", transparency=3)
    assert np.abs(pixels(tmp_path / "p.png") - GREY).max() <= 3
    samples = np.stack([GREY.astype(">u2") * 257, np.full(GREY.shape, 65535, ">u2")], axis=-1)
    data = b"".join(b"\0" + row.tobytes() for row in samples)
    (tmp_path / "la.png").write_bytes(png(32, 24, data, 16, colour=4))
    assert np.array_equal(pixels(tmp_path / "la.png"), GREY)  # the upper 8 bits, which are all that Pillow gives


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "u4", "f4"])
def test_a_tiff_keeps_its_numbers(dtype: str, tmp_path: Path) -> None:
    array = (GREY.astype(np.float64) * 100 - (0 if dtype[0] == "u" else 500)).astype(dtype)
    (tmp_path / "x.tif").write_bytes(tiff(array, {"u": 1, "i": 2, "f": 3}[dtype[0]]))
    assert np.array_equal(pixels(tmp_path / "x.tif"), array)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_tiff_in_which_white_is_zero_is_turned(dtype: str, tmp_path: Path) -> None:
    array = GREY.astype(dtype)
    (tmp_path / "x.tif").write_bytes(tiff(array, photometric=0))
    assert np.array_equal(pixels(tmp_path / "x.tif"), np.iinfo(dtype).max - array)


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_packed_tiff_is_read_and_refused_where_a_strip_is_damaged(packing: str, tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "x.tif", compression=packing)
    assert np.array_equal(pixels(tmp_path / "x.tif"), NOISE)
    with Image.open(tmp_path / "x.tif") as image:
        start, size = image.tag_v2[273][-1], image.tag_v2[279][-1]
    content = bytearray((tmp_path / "x.tif").read_bytes())
    content[start + size // 2 : start + size] = bytes(size - size // 2)
    (tmp_path / "x.tif").write_bytes(content)
    assert reason(tmp_path / "x.tif") == "unreadable"


def pages(count: int) -> bytes:
    stream = io.BytesIO()
    first, *others = [Image.fromarray(GREY)] * count
    first.save(stream, format="TIFF", save_all=True, append_images=others)
    return stream.getvalue()


NASTIES = {
    "pages.tif": ("wrong_dimension", lambda: pages(3)),
    "bomb.png": ("too_large", lambda: png(60000, 60000, bytes(1 << 20))),
    "bomb-1.png": ("too_large", lambda: png(2**31 - 1, 2**31 - 1, b"")),
    "large.png": ("too_large", lambda: png(8193, 8193, bytes(8193 * 1025), bits=1)),
    "short.png": ("unreadable", lambda: png(32, 24, bytes(100))),
    "no-pixels.png": ("unreadable", lambda: png(0, 24, b"")),
    "text-bomb.png": (
        "unreadable",
        lambda: png(32, 24, bytes(33 * 24)).replace(
            b"\0\0\0\0IEND", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27))) + b"\0\0\0\0IEND"
        ),
    ),
    "wide.tif": ("too_large", lambda: tiff(GREY, t256=2**31, t257=2**31)),
    "no-width.tif": ("unreadable", lambda: tiff(GREY, t256=0)),
    "strip-beyond-the-end.tif": ("unreadable", lambda: tiff(GREY, t273=2**31)),
    "short-strip.tif": ("unreadable", lambda: tiff(GREY)[:300]),
    "samples.tif": ("unreadable", lambda: tiff(GREY, t277=65535)),
    "bits.tif": ("unreadable", lambda: tiff(GREY, t258=65535)),
    "packing.tif": ("unreadable", lambda: tiff(GREY, t259=65000)),
    "directory-beyond-the-end.tif": ("unreadable", lambda: b"II*\0" + struct.pack("<I", 2**31) + bytes(64)),
    "unsigned.tif": ("unsupported", lambda: tiff(GREY.astype("u4") + 2**31)),
    "inverted-float.tif": ("unsupported", lambda: tiff(GREY.astype("f4"), 3, 0)),
    "nan.tif": ("nan", lambda: tiff(np.where(GREY == 20, np.nan, GREY).astype("f4"), 3)),
    "infinite.tif": ("nan", lambda: tiff(np.where(GREY == 20, np.inf, GREY).astype("f4"), 3)),
    "script.png": ("unreadable", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "other.gif": ("unsupported", lambda: b"GIF89a" + bytes(60)),
}


@pytest.mark.parametrize("name", NASTIES)
def test_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    expected, write = NASTIES[name]
    (tmp_path / name).write_bytes(write())
    assert reason(tmp_path / name) == expected


def test_a_directory_that_leads_to_itself_ends(tmp_path: Path) -> None:
    content = tiff(GREY)
    (tmp_path / "x.tif").write_bytes(content[:-4] + content[4:8])
    assert np.array_equal(pixels(tmp_path / "x.tif"), GREY)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused(kept: float, progressive: bool, tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "x.jpg", progressive=progressive)
    content = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(content[: int(kept * len(content))])
    assert reason(tmp_path / "x.jpg") == "unreadable"
