#!/usr/bin/env python3
"""Checks vectors of the lowest layers by what conformance/README.md says: no code of this project, no library.

    python3 conformance/examples/read.py conformance/vectors
"""
import base64
import functools
import hashlib
import json
import pathlib
import struct
import sys

# Ed448 (README, "Ed448"): x² + y² = 1 + d·x²·y² over the integers mod P, the generator G, its order Q.
P = 2**448 - 2**224 - 1
Q = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885
D = -39081
G = (
    224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710,
    298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660,
    1,
)


def add(a, b):
    """Points are (X, Y, Z): x = X/Z, y = Y/Z."""
    (x, y, z), (u, v, w) = a, b
    k, zz, xu, yv = D * x * u * y * v, z * w, x * u, y * v
    f, g = zz * zz - k, zz * zz + k
    return zz * f * ((x + y) * (u + v) - xu - yv) % P, zz * g * (yv - xu) % P, f * g % P


def mul(k, a):
    result = (0, 1, 1)
    for bit in bin(k)[2:]:
        result = add(result, result)
        result = add(result, a) if bit == "1" else result
    return result


def affine(a):
    return a[0] * pow(a[2], -1, P) % P, a[1] * pow(a[2], -1, P) % P


def encode(a):
    x, y = affine(a)
    return (y | (x & 1) << 455).to_bytes(57, "little")


@functools.lru_cache
def on_curve(data):
    """The point of this encoding, the only one that it has, or None."""
    y, sign = int.from_bytes(data, "little") & (1 << 455) - 1, data[-1] >> 7 if data else 0
    if len(data) != 57 or y >= P:
        return None
    square = (1 - y * y) * pow(1 - D * y * y, -1, P) % P
    x = pow(square, (P + 1) // 4, P)
    if x * x % P != square or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x, y, 1


@functools.lru_cache
def decode(data):
    """A point of the prime-order group but for the identity, or None."""
    a = on_curve(data)
    return a if a and affine(a) != (0, 1) and affine(mul(Q, a)) == (0, 1) else None


def kdf(usage, value, size, domain=b"OTRv4"):
    return hashlib.shake_256(domain + bytes([usage]) + value).digest(size)


def scalar(data):
    return int.from_bytes(data, "little") % Q


def prune(data):
    return bytes([data[0] & 0xFC]) + data[1:55] + bytes([data[55] | 0x80, 0])


def reduced(data):
    return scalar(data).to_bytes(57, "little").hex()


def check_kdf(v):
    return kdf(v["usage"], bytes.fromhex(v["value"]), v["size"]).hex()


def check_hash_to_scalar(v):
    return reduced(kdf(v["i"], bytes.fromhex(v["v"]), 57))


def verify_ring(prekey, ring, sigma, m):
    points = [decode(bytes.fromhex(a)) for a in ring]
    if None in points or len(sigma) != 6 * 57:
        return False
    c = [scalar(sigma[114 * i : 114 * i + 57]) for i in range(3)]
    r = [scalar(sigma[114 * i + 57 : 114 * i + 114]) for i in range(3)]
    t = [encode(add(mul(r[i], G), mul(c[i], points[i]))) for i in range(3)]
    domain, usage = (b"OTR-Prekey-Server", 0x11) if prekey else (b"OTRv4", 0x1A)
    hashed = [encode(G), Q.to_bytes(57, "little"), *map(encode, points), *t, struct.pack(">I", len(m)), m]
    return sum(c) % Q == scalar(kdf(usage, b"".join(hashed), 57, domain))


def is_by_nonces(v, sigma):
    """Whether a ring signature was made from these nonces; that it holds is another question."""
    made, place = True, next(n for n in (1, 2, 3) if f"c{n}" not in v["nonces"])
    for n in (1, 2, 3):
        c, r = (sigma[114 * (n - 1) + at :][:57] for at in (0, 57))
        if n == place:
            a = decode(bytes.fromhex(v["A"][n - 1]))
            t, secret = (scalar(bytes.fromhex(x)) for x in (v["nonces"]["t"], v["secret"]))
            made &= encode(mul(secret, G)) == encode(a) and scalar(r) == (t - scalar(c) * secret) % Q
        else:
            made &= [c.hex(), r.hex()] == [v["nonces"][f"c{n}"], v["nonces"][f"r{n}"]]
    return made


def chacha20(key, text):
    """RFC 8439, with a nonce and a first counter of zero."""
    out = b""
    for block in range(0, len(text), 64):
        start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), block // 64, 0, 0, 0]
        s = start[:]
        for turn in range(20):
            for n in range(4):
                i, j, k, l = (n, 4 + n, 8 + n, 12 + n) if turn % 2 == 0 else (n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4)
                for x, y, z, by in ((i, j, l, 16), (k, l, j, 12), (i, j, l, 8), (k, l, j, 7)):
                    s[x] = (s[x] + s[y]) & 0xFFFFFFFF
                    s[z] = ((s[z] ^ s[x]) << by | (s[z] ^ s[x]) >> 32 - by) & 0xFFFFFFFF
        stream = struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))
        out += bytes(a ^ b for a, b in zip(text[block : block + 64], stream))
    return out


def seal(v):
    """The whole line of a data message, from its chain key and fields."""
    chain, plaintext, dh = (bytes.fromhex(v[name]) for name in ("chain_key", "plaintext", "dh"))
    enc = kdf(0x15, chain, 64)
    mac = kdf(0x16, enc, 64)
    data = lambda value: struct.pack(">I", len(value)) + value
    message = struct.pack(">HB2IB3I", 4, 3, v["sender_tag"], v["receiver_tag"], v["flags"], v["pn"], v["i"], v["j"])
    message += bytes.fromhex(v["ecdh"]) + data(dh.lstrip(b"\0")) + data(chacha20(enc[:32], plaintext))
    message += kdf(0x18, mac + message, 64) + data(bytes.fromhex(v["old_mac_keys"]))
    return {"MKenc": enc.hex(), "MKmac": mac.hex(), "message": "?OTR:" + base64.b64encode(message).decode() + "."}


def check(v):
    """Whether a vector holds; nothing for the kinds that are not checked here."""
    inputs, outputs = v["inputs"], v["outputs"]
    if v["kind"] == "kdf":
        return check_kdf(inputs) == outputs["out"]
    if v["kind"] == "hash_to_scalar":
        return check_hash_to_scalar(inputs) == outputs["scalar"]
    if v["kind"] == "scalar":
        return reduced(bytes.fromhex(inputs["encoded"])) == outputs["reduced"]
    if v["kind"] == "scalar_random":
        return reduced(prune(hashlib.shake_256(bytes.fromhex(inputs["random"])).digest(57))) == outputs["scalar_mod_q"]
    if v["kind"] == "point":
        encoded = bytes.fromhex(inputs["encoded"])
        return outputs["decodes"] == (on_curve(encoded) is not None) and (v["verdict"] == "accept") == (decode(encoded) is not None)
    if v["kind"] == "fingerprint":
        return kdf(0x00, bytes.fromhex(inputs["H"] + inputs["F"]), 56).hex() == outputs["fingerprint"]
    if v["kind"] == "data_message":
        return seal(inputs) == outputs
    if v["kind"] in ("ring_sign", "ring_verify"):
        sigma = bytes.fromhex(outputs["sigma"] if v["kind"] == "ring_sign" else inputs["sigma"])
        good = verify_ring(inputs["prekey"], inputs["A"], sigma, bytes.fromhex(inputs["m"]))
        good = good and (v["kind"] == "ring_verify" or is_by_nonces(inputs, sigma))
        return v["verdict"] == "either" or good == (v["verdict"] != "reject")
    return None


def main(folder):
    bad, seen = 0, 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        results = {v["name"]: check(v) for v in file["vectors"]}
        for name in (name for name, good in results.items() if good is False):
            print(f"{path.stem}: {name} is wrong")
        for v in file["vectors"]:
            if ("read.py" in v.get("confirmed_by", file["confirmed_by"])) != (results[v["name"]] is not None):
                print(f"{path.stem}: what {v['name']} says of this program is wrong")
                bad += 1
        good, wrong = (sum(result is x for result in results.values()) for x in (True, False))
        bad, seen = bad + wrong, seen + good
        if good + wrong:
            print(f"{path.stem}: {good} good, {wrong} wrong, {len(results) - good - wrong} of other kinds")
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
