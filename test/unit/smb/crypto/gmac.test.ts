import { createCipheriv, createSecretKey } from "node:crypto";
import { describe, expect, test } from "bun:test";
import { blockBytes, factorsOf, makeHash, powerBytes, resultAt } from "../../../../src/smb/crypto/ghash-code.ts";
import { ShortGmac, shortBytesMax } from "../../../../src/smb/crypto/gmac.ts";
import { Signer } from "../../../../src/smb/crypto/signing.ts";
import { SigningAlgorithm } from "../../../../src/wire/smb2/negotiate.ts";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const headerBytes = 64;
const signatureAt = 48;

/** Bytes of no pattern, the same for each seed. */
function bytesOf(count: number, seed: number): Uint8Array {
  let state = seed * 2654435761 + 1;
  return new Uint8Array(count).map(() => (state = (Math.imul(state, 1664525) + 1013904223) | 0) >>> 24);
}

function message(length: number, id: bigint, seed: number): Uint8Array {
  const bytes = bytesOf(length, seed);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 5, true);
  view.setBigUint64(24, id, true);
  return bytes;
}

/** As MS-SMB2 3.1.4.1 has it, by node:crypto. */
function signatureOf(key: Uint8Array, bytes: Uint8Array, server: boolean): string {
  const nonce = new Uint8Array(12);
  nonce.set(bytes.subarray(24, 32));
  nonce[8] = server ? 1 : 0;
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  const zeroed = bytes.slice();
  zeroed.fill(0, signatureAt, signatureAt + 16);
  cipher.setAAD(zeroed);
  cipher.final();
  return cipher.getAuthTag().toString("hex");
}

describe("GHASH gives the values published with it", () => {
  test("of test case 2 of McGrew and Viega's GCM", () => {
    const { hash, memory } = makeHash();
    const bytes = new Uint8Array(memory);
    const h = hex("66e94bd4ef8a2c3b884cfa59ca342b2e");
    bytes.set(factorsOf(h), 4096);
    bytes.set(h, 64);
    hash(4096, 64, 80, 0);
    bytes.set(factorsOf(bytes.slice(resultAt, resultAt + blockBytes)), 4096 + powerBytes);
    bytes.set(hex("0388dace60b6a392f328c2b971b2fe78 00000000000000000000000000000080"), 64);
    hash(4096 + powerBytes, 64, 96, 0);
    expect(Buffer.from(bytes.slice(resultAt, resultAt + blockBytes)).toString("hex")).toBe("f38cbb1ad69223dcc3457ae5b6b0f885");
  });

  test("of nothing: zeros", () => {
    const { hash, memory } = makeHash();
    hash(4096, 64, 64, 0);
    expect(new Uint8Array(memory, resultAt, blockBytes)).toEqual(new Uint8Array(blockBytes));
  });
});

describe("the signature of a short message is that of node:crypto", () => {
  const key = bytesOf(16, 7);
  const short = ShortGmac.make(createSecretKey(key))!;
  const made = (bytes: Uint8Array, server: boolean, at = 0, end = bytes.length) => Buffer.from(short.of(bytes, at, end, server)).toString("hex");

  test("of every length, in both directions", () => {
    for (let length = headerBytes; length <= shortBytesMax; length++) {
      const bytes = message(length, BigInt(length), length);
      for (const server of [false, true]) expect(made(bytes, server)).toBe(signatureOf(key, bytes, server));
    }
  });

  test("whatever its id, those before and after come to masks of the same group or not", () => {
    const ids = [0n, 63n, 64n, 127n, 128n, 0n, 64n + (1n << 32n), 64n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n, 1n];
    for (const id of ids) for (const server of [true, false]) expect(made(message(100, id, 3), server)).toBe(signatureOf(key, message(100, id, 3), server));
  });

  test("wherever it lies, what is around it apart; and nothing of it is changed", () => {
    const bytes = message(101, 9n, 5);
    const around = bytesOf(300, 6);
    around.set(bytes, 33);
    const before = around.slice();
    expect(made(around, true, 33, 33 + bytes.length)).toBe(signatureOf(key, bytes, true));
    expect(around).toEqual(before);
  });

  test("with more keys than have room at a time", () => {
    const keys = Array.from({ length: 300 }, (_, i) => bytesOf(16, 1000 + i));
    const signers = keys.map((each) => ShortGmac.make(createSecretKey(each))!);
    for (let turn = 0; turn < 2; turn++) {
      signers.forEach((each, i) => {
        const bytes = message(120, BigInt(i), i);
        expect(Buffer.from(each.of(bytes, 0, bytes.length, false)).toString("hex")).toBe(signatureOf(keys[i]!, bytes, false));
      });
    }
  });
});

describe("a signer", () => {
  const key = bytesOf(16, 11);
  const signer = new Signer(SigningAlgorithm.AES_GMAC, key);
  const signedByClient = (bytes: Uint8Array): Uint8Array => {
    const signed = bytes.slice();
    signed.set(hex(signatureOf(key, bytes, false)), signatureAt);
    return signed;
  };

  test("takes what its client signed, and nothing of which any bit was changed, short or long", () => {
    for (const length of [headerBytes, 65, 150, shortBytesMax, shortBytesMax + 1, 1000]) {
      const bytes = signedByClient(message(length, 77n, length));
      expect(signer.verifies(bytes, 0, length, [])).toBe(true);
      for (let bit = 0; bit < length * 8; bit += length < 200 ? 1 : 13) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(signer.verifies(bytes, 0, length, [])).toBe(false);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
      expect(signer.verifies(bytes, 0, length, [])).toBe(true);
    }
  });

  test("does not take its own signature for its client's, nor a message cut or lengthened", () => {
    const bytes = message(130, 5n, 1);
    signer.sign(bytes, 0, bytes.length, []);
    expect(Buffer.from(bytes.subarray(signatureAt, signatureAt + 16)).toString("hex")).toBe(signatureOf(key, bytes, true));
    expect(signer.verifies(bytes, 0, bytes.length, [])).toBe(false);
    const longer = new Uint8Array(144);
    longer.set(signedByClient(message(130, 5n, 1)));
    expect(signer.verifies(longer, 0, 130, [])).toBe(true);
    expect(signer.verifies(longer, 0, 129, [])).toBe(false);
    expect(signer.verifies(longer, 0, 144, [])).toBe(false);
  });

  test("knows a CANCEL's signature, which has a nonce of its own", () => {
    const bytes = message(68, 3n, 2);
    bytes[12] = 0x0c;
    bytes[13] = 0;
    const nonce = new Uint8Array(12);
    nonce.set(bytes.subarray(24, 32));
    nonce[8] = 2;
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    bytes.fill(0, signatureAt, signatureAt + 16);
    cipher.setAAD(bytes);
    cipher.final();
    bytes.set(cipher.getAuthTag(), signatureAt);
    expect(signer.verifies(bytes, 0, bytes.length, [])).toBe(true);
  });

  test("signs a message the same in one piece and in several", () => {
    const whole = message(200, 8n, 4);
    const head = whole.slice(0, 100);
    signer.sign(whole, 0, 200, []);
    signer.sign(head, 0, 100, [whole.subarray(100)]);
    expect(Buffer.from(head.subarray(signatureAt, signatureAt + 16)).toString("hex")).toBe(Buffer.from(whole.subarray(signatureAt, signatureAt + 16)).toString("hex"));
  });
});
