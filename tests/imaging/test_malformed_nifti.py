"""NIfTI files that nobody should trust: each is refused with the code named here, or read right.

All of them are read by one child process as well, which may not hold more than 1 GiB nor take 5 s for one file.
"""

import gzip
import json
import math
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unimedi.imaging.image import ImagingError, Volume
from unimedi.imaging.read import read_image

CT = np.random.default_rng(0).integers(-1000, 1000, size=(6, 10, 12)).astype(np.int16)
NAN, INF = math.nan, math.inf
# Fields of the header: byte and struct code (nifti1.h).
FIELDS = {
    "sizeof_hdr": (0, "i"),
    **{f"dim{k}": (40 + 2 * k, "h") for k in range(8)},
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    **{f"pixdim{k}": (76 + 4 * k, "f") for k in range(8)},
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "b"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    **{f"quatern_{k}": (256 + 4 * n, "f") for n, k in enumerate("bcd")},
    **{f"srow{row}{column}": (280 + 16 * row + 4 * column, "f") for row in range(3) for column in range(4)},
}
PLAIN = {
    "sizeof_hdr": 348,
    "dim0": 3,
    "dim1": 12,
    "dim2": 10,
    "dim3": 6,
    "datatype": 4,
    "bitpix": 16,
    "dim4": 1,
    "dim5": 1,
    "dim6": 1,
    "dim7": 1,
    "pixdim1": 2,
    "pixdim2": 3,
    "pixdim3": 5,
    "vox_offset": 352,
    "scl_slope": 1,
    "xyzt_units": 2,
    "sform_code": 1,
    "srow00": -2,
    "srow11": -3,
    "srow22": 5,
}
QFORM = {"sform_code": 0, "qform_code": 1, "pixdim0": 1, "quatern_d": 1}  # turned by 180 degrees about z: LPS


def nifti(data: bytes | None = None, order: str = "<", between: bytes = b"\0" * 4, **fields: float) -> bytes:
    head = bytearray(348)
    for name, value in {**PLAIN, **fields}.items():
        at, code = FIELDS[name]
        struct.pack_into(order + code, head, at, value)
    head[344:348] = b"n+1\0"
    return bytes(head) + between + (CT.astype(order + "i2").tobytes() if data is None else data)


def zeros_gz(size: int, head: bytes) -> bytes:
    """A gzip stream of ``head`` and zeros, packed without ever holding them."""
    packer, parts, block = zlib.compressobj(9, wbits=31), [], bytes(1 << 20)
    parts.append(packer.compress(head))
    parts.extend(packer.compress(block) for _ in range(size >> 20))
    return b"".join([*parts, packer.flush()])


def wrong_crc(packed: bytes) -> bytes:
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


def ni1() -> bytes:
    content = bytearray(nifti())
    content[344:348] = b"ni1\0"
    return bytes(content)


def magic(value: bytes) -> bytes:
    content = bytearray(nifti())
    content[344:348] = value
    return bytes(content)


SIDE = {"dim1": 32767, "dim2": 32767, "dim3": 32767}
REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "dims-32767-cubed": ("too_large", lambda: nifti(bytes(48), **SIDE)),
    "dims-32767-cubed-gz": ("too_large", lambda: gzip.compress(nifti(bytes(48), **SIDE))),
    "seven-axes-of-32767": ("wrong_dimension", lambda: nifti(dim0=7, **SIDE, dim4=32767, dim5=32767, dim6=32767)),
    "dim-zero": ("unreadable", lambda: nifti(dim2=0)),
    "dim-negative": ("unreadable", lambda: nifti(dim3=-6)),
    "two-dims-negative": ("unreadable", lambda: nifti(dim3=-6, dim2=-10)),
    "no-axes": ("unreadable", lambda: nifti(dim0=0)),
    "eight-axes": ("unreadable", lambda: nifti(dim0=8)),
    "axes-negative": ("unreadable", lambda: nifti(dim0=-3)),
    "one-axis": ("wrong_dimension", lambda: nifti(dim0=1, dim1=720)),
    "affine-nan": ("bad_orientation", lambda: nifti(srow00=NAN)),
    "affine-inf": ("bad_orientation", lambda: nifti(srow12=INF)),
    "affine-singular": ("bad_orientation", lambda: nifti(srow22=0)),
    "affine-of-two-equal-axes": ("bad_orientation", lambda: nifti(srow00=0, srow10=-2)),
    "affine-sheared": ("bad_orientation", lambda: nifti(srow12=2)),
    "affine-of-another-spacing": ("bad_spacing", lambda: nifti(srow22=2.5)),
    "no-orientation": ("no_orientation", lambda: nifti(sform_code=0)),
    "forms-that-disagree": ("bad_orientation", lambda: nifti(**{**QFORM, "sform_code": 1, "quatern_d": 0})),
    "quaternion-norm-above-1": ("bad_orientation", lambda: nifti(**{**QFORM, "quatern_d": 1.5, "quatern_b": 1})),
    "quaternion-nan": ("bad_orientation", lambda: nifti(**{**QFORM, "quatern_d": NAN})),
    "slope-nan": ("bad_scaling", lambda: nifti(scl_slope=NAN)),
    "slope-inf": ("bad_scaling", lambda: nifti(scl_slope=INF)),
    "intercept-nan": ("bad_scaling", lambda: nifti(scl_inter=NAN)),
    "slope-that-overflows": ("nan", lambda: nifti(scl_slope=3e38)),
    "complex": ("unsupported", lambda: nifti(CT.astype(np.complex64).tobytes(), datatype=32, bitpix=64)),
    "rgb": ("unsupported", lambda: nifti(bytes(3 * CT.size), datatype=128, bitpix=24)),
    "rgba": ("unsupported", lambda: nifti(bytes(4 * CT.size), datatype=2304, bitpix=32)),
    "float128": ("unsupported", lambda: nifti(bytes(16 * CT.size), datatype=1536, bitpix=128)),
    "datatype-unknown": ("unsupported", lambda: nifti(datatype=99)),
    "datatype-none": ("unsupported", lambda: nifti(datatype=0)),
    "datatype-one-bit": ("unsupported", lambda: nifti(datatype=1, bitpix=1)),
    "bitpix-disagrees": ("unreadable", lambda: nifti(bitpix=8)),
    "offset-beyond-the-end": ("unreadable", lambda: nifti(vox_offset=1e6)),
    "offset-negative": ("unreadable", lambda: nifti(vox_offset=-352)),
    "offset-in-the-header": ("unreadable", lambda: nifti(vox_offset=0)),
    "offset-nan": ("unreadable", lambda: nifti(vox_offset=NAN)),
    "offset-inf": ("unreadable", lambda: nifti(vox_offset=INF)),
    "offset-not-whole": ("unreadable", lambda: nifti(vox_offset=352.5)),
    "pixdim-zero": ("bad_spacing", lambda: nifti(pixdim2=0)),
    "pixdim-negative": ("bad_spacing", lambda: nifti(pixdim2=-3)),
    "pixdim-nan": ("bad_spacing", lambda: nifti(pixdim3=NAN)),
    "pixdim-inf": ("bad_spacing", lambda: nifti(pixdim1=INF)),
    "units-unknown": ("bad_spacing", lambda: nifti(xyzt_units=5)),
    "many-frames": ("wrong_dimension", lambda: nifti(CT.tobytes() * 3, dim0=4, dim4=3)),
    "five-axes": ("wrong_dimension", lambda: nifti(CT.tobytes() * 4, dim0=5, dim4=2, dim5=2)),
    "header-only": ("unreadable", lambda: nifti(b"")),
    "half-a-header": ("unreadable", lambda: nifti()[:200]),
    "truncated": ("unreadable", lambda: nifti(CT.tobytes()[:-1])),
    "far-too-long": ("unreadable", lambda: nifti(CT.tobytes() + bytes(8192))),
    "magic-wrong": ("unreadable", lambda: magic(b"n+3\0")),
    "analyze-75": ("unreadable", lambda: magic(b"\0\0\0\0")),
    "a-pair": ("unsupported", ni1),
    "size-field-of-neither-order": ("unreadable", lambda: nifti(sizeof_hdr=349)),
    "zero-bytes": ("unreadable", lambda: b""),
    "gz-empty": ("unreadable", lambda: gzip.compress(b"")),
    "gz-truncated": ("unreadable", lambda: gzip.compress(nifti())[:-400]),
    "gz-without-its-last-byte": ("unreadable", lambda: gzip.compress(nifti())[:-1]),
    "gz-crc": ("unreadable", lambda: wrong_crc(gzip.compress(nifti()))),
    "gz-garbage-behind": ("unreadable", lambda: gzip.compress(nifti()) + b"garbage"),
    "gz-bomb": ("unreadable", lambda: zeros_gz(1 << 30, nifti())),
    "gz-bomb-that-is-promised": ("too_large", lambda: zeros_gz(1 << 30, nifti(dim1=1024, dim2=1024, dim3=1024))),
    "nan-voxels": ("nan", lambda: nifti(np.full(CT.shape, NAN, "f4").tobytes(), datatype=16, bitpix=32)),
    "infinite-voxel": ("nan", lambda: nifti(np.where(CT[0, 0, 0] == CT, INF, CT).tobytes(), datatype=64, bitpix=64)),
    "all-the-same": ("constant", lambda: nifti(bytes(2 * CT.size))),
}
NOWHERE, NEGATIVE = (b"\1\0\0\0" + struct.pack("<ii", size, 6) for size in (2**31 - 1, -16))  # extensions
READ: dict[str, Callable[[], bytes]] = {
    "plain": nifti,
    "big-endian": lambda: nifti(order=">"),
    "slope-zero-is-none": lambda: nifti(scl_slope=0, scl_inter=500),
    "slope-zero-intercept-nan": lambda: nifti(scl_slope=0, scl_inter=NAN),
    "one-frame": lambda: nifti(dim0=4),
    "seven-axes-of-one": lambda: nifti(dim0=7),
    "qform-only": lambda: nifti(**QFORM),
    "both-forms": lambda: nifti(**{**QFORM, "sform_code": 1}),
    "few-bytes-behind": lambda: nifti(CT.tobytes() + b"garbage"),
    "extension-that-points-nowhere": lambda: nifti(
        between=b"\1\0\0\0" + struct.pack("<ii", 2**31 - 1, 6), vox_offset=360
    ),
    "extension-of-negative-size": lambda: nifti(between=NEGATIVE, vox_offset=360),
    "metres": lambda: nifti(
        xyzt_units=1, pixdim1=0.002, pixdim2=0.003, pixdim3=0.005, srow00=-0.002, srow11=-0.003, srow22=0.005
    ),
    "gz-of-two-members": lambda: gzip.compress(nifti()[:700]) + gzip.compress(nifti()[700:]),
}


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.nii{'.gz' * ('gz' in name)}"


@pytest.mark.parametrize("name", [name for name in REFUSED if "bomb" not in name])
def test_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    reason, write = REFUSED[name]
    path = path_of(tmp_path, name)
    path.write_bytes(write())
    with pytest.raises(ImagingError, match=path.name) as caught:
        read_image(path)
    assert caught.value.reason == reason, caught.value


@pytest.mark.parametrize("name", READ)
def test_read_right(name: str, tmp_path: Path) -> None:
    path = path_of(tmp_path, name)
    path.write_bytes(READ[name]())
    image = read_image(path)
    assert isinstance(image, Volume)
    assert np.array_equal(image.voxels, CT)
    assert image.spacing == pytest.approx((5, 3, 2))


CHILD = """
import json, sys
from pathlib import Path
from unimedi.imaging.image import ImagingError
from unimedi.imaging.read import read_image
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_image(path)
        reason = "read"
    except ImagingError as error:
        reason = error.reason
    found[path.name.split(".")[0]] = reason
# Not getrusage: what it gives begins with the size of the process that started this one.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"found": found, "peak": int(peak)}))
"""


def test_all_of_them_in_bounded_memory(tmp_path: Path) -> None:
    for name, write in {**{name: write for name, (_, write) in REFUSED.items()}, **READ}.items():
        path_of(tmp_path, name).write_bytes(write())
    run = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, check=True)
    result = json.loads(run.stdout)
    expected = {**{name: reason for name, (reason, _) in REFUSED.items()}, **dict.fromkeys(READ, "read")}
    assert result["found"] == expected
    assert result["peak"] < 1 << 20, "KiB: more than 1 GiB"
