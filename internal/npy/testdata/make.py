#!/usr/bin/python3
"""Writes the files beside it with NumPy itself: python3 make.py. Made with NumPy 1.24.2 (Debian's python3-numpy).

arrays.json   what every file holds: its bits in C order, one hexadecimal word per element
heads.txt     dtype, shape, length and SHA-256 of the head that NumPy writes, for shapes that meet every padding
*.npy, *.npz  the files
"""
import hashlib
import io
import json
import os

import numpy as np
from numpy.lib import format as npyformat

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(20240229)
SPECIAL = {
    "f4": [0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFC12345, 0x00000001],
    "f8": [0, 1 << 63, 0x7FF << 52, 0xFFF << 52, 0x7FF8 << 48, (0x7FF << 52) + 1, 0xFFF8123456789ABC, 1],
    "f2": [0x0000, 0x8000, 0x7C00, 0xFC00, 0x7E00, 0x7C01, 0xFE12, 0x0001],
    "u2": [0x0000, 0x8000, 0x7F80, 0xFF80, 0x7FC0, 0xFFFF, 0x3F80, 0x0001],
}
WHOLE = ["b1", "u1", "i1", "i2", "i4", "u4", "i8", "u8"]
NAMES = {c: np.dtype(c).name for c in [*SPECIAL, *WHOLE]}
manifest = []


def bits(code, shape):
    """Arbitrary bits, special values first, as an array of the type in C order."""
    word = "<u" + code[1]
    n = int(np.prod(shape, dtype=np.int64))
    flat = rng.integers(0, 1 << (8 * int(code[1])), size=n, dtype=word)
    flat[: min(n, 8)] = np.array(SPECIAL[code], dtype=word)[: min(n, 8)]
    return flat.view("<" + code).reshape(shape)


def note(file, code, a, member=None):
    word = np.ascontiguousarray(a).view("<u" + code[1]).reshape(-1)
    entry = {"file": file, "dtype": NAMES[code],
             "shape": list(a.shape), "bits": ["%0*x" % (2 * int(code[1]), int(w)) for w in word]}
    if member:
        entry["member"] = member
    manifest.append(entry)


def turned(a):
    """The same values, big endian in memory."""
    return a.byteswap().view(a.dtype.newbyteorder(">")).reshape(a.shape)


def shaped(shape):
    return "x".join(map(str, shape)) or "scalar"


for code in SPECIAL:
    for shape in [(3, 4), (2, 3, 4)]:
        a = bits(code, shape)
        for order in "CF":
            for end in ("le", "be"):
                name = f"{code}_{end}_{order.lower()}_{shaped(shape)}.npy"
                np.save(name, np.array(turned(a) if end == "be" else a, order=order))
                note(name, code, a)

for shape in [(), (0,), (1,), (5,), (300,), (0, 3), (3, 0, 2), (1, 7), (7, 1), (2, 3, 2, 2), (1, 1, 1, 1)]:
    a = bits("f4", shape)
    for order in "CF":
        if order == "F" and a.flags.f_contiguous and a.flags.c_contiguous:
            continue
        name = f"f4_{order.lower()}_{shaped(shape)}.npy"
        np.save(name, np.array(a, order=order))
        note(name, "f4", a)

for shape in [(), (9,), (2, 3, 4, 5)]:
    a = bits("f8", shape)
    np.save(f"f8_c_{shaped(shape)}.npy", a)
    note(f"f8_c_{shaped(shape)}.npy", "f8", a)
    if len(shape) > 1:
        np.save(f"f8_be_f_{shaped(shape)}.npy", np.array(turned(a), order="F"))
        note(f"f8_be_f_{shaped(shape)}.npy", "f8", a)

for version in [(2, 0), (3, 0)]:
    for order in "CF":
        a = bits("f4", (4, 3))
        name = f"v{version[0]}_f4_{order.lower()}_4x3.npy"
        with open(name, "wb") as f:
            npyformat.write_array(f, np.array(a, order=order), version=version)
        note(name, "f4", a)

# an array whose memory is neither order: NumPy writes it in C order
a = bits("f4", (6, 8))[::2, ::2]
np.save("f4_strided_3x4.npy", a)
note("f4_strided_3x4.npy", "f4", a)

for file, save in [("stored.npz", np.savez), ("deflated.npz", np.savez_compressed)]:
    arrays = {"c000.pred": ("f4", (40,), "C"), "c000.target": ("u2", (2, 3, 4), "C"), "half": ("f2", (5, 3), "F"),
              "loss": ("f8", (), "C"), "none": ("f8", (0, 2), "C"), "big": ("f4", (3, 5), "F")}
    made = {k: np.array(bits(c, s), order=o) for k, (c, s, o) in arrays.items()}
    save(file, **{k: turned(v) if k == "big" else v for k, v in made.items()})
    for k, v in made.items():
        note(file, arrays[k][0], v, k)

# integers and bools; those of one byte have no byte order
for code in WHOLE:
    size = int(code[1])
    flat = rng.integers(0, 2 if code == "b1" else 1 << (8 * size), size=24, dtype="u%d" % size)
    flat[:4] = [0, 1, 0, 1] if code == "b1" else [0, 1, (1 << (8 * size)) - 1, 1 << (8 * size - 1)]
    a = flat.view(code).reshape(2, 3, 4)
    for order in "CF":
        for end in ("le", "be")[: 1 if size == 1 else 2]:
            name = f"{code}_{end}_{order.lower()}_2x3x4.npy"
            np.save(name, np.array(turned(a) if end == "be" else a, order=order))
            note(name, code, a)

# what is refused
np.save("refused_object.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
np.save("refused_structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<f8")]))
np.save("refused_complex64.npy", np.zeros(2, dtype="<c8"))
np.save("refused_datetime64.npy", np.zeros(2, dtype="datetime64[s]"))
np.save("refused_string.npy", np.array(["ab", "c"]))
np.save("refused_float128.npy", np.zeros(2, dtype=np.longdouble))

with open("arrays.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(e) for e in manifest) + "\n]\n")

with open("heads.txt", "w") as f:
    rests = set()
    shapes = [(), (0,), (1,), (3,), (3, 4), (0, 2**40), (2**31,), (2**40, 3), (2**60,), (10,) * 32]
    shapes += [(1,) * (i // 3) + (10 ** (i % 3),) for i in range(3, 96)]
    for i, shape in enumerate(shapes):
        code = ["f4", "f8", "f2", "u2"][i % 4]
        head = io.BytesIO()
        d = {"descr": np.dtype(code).str, "fortran_order": False, "shape": shape}
        npyformat.write_array_header_1_0(head, d)
        head = head.getvalue()
        text = "{'descr': '<%s', 'fortran_order': False, 'shape': %r, }" % (code, shape)
        rests.add((10 + len(text) + (21 - len(str(shape[0])) if shape else 0) + 1) % 64)
        f.write("%s %s %d %s\n" % (code, ",".join(map(str, shape)) or "-", len(head), hashlib.sha256(head).hexdigest()))
    for code in WHOLE:
        for shape in [(), (3, 4)]:
            head = io.BytesIO()
            npyformat.write_array_header_1_0(head, {"descr": np.dtype(code).str, "fortran_order": False, "shape": shape})
            head = head.getvalue()
            f.write("%s %s %d %s\n" % (code, ",".join(map(str, shape)) or "-", len(head), hashlib.sha256(head).hexdigest()))
    assert 0 in rests and len(rests) == 64, sorted(rests)
