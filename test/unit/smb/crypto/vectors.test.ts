import { createSecretKey } from "node:crypto";
import { describe, expect, test } from "bun:test";
import { ccmOpen, ccmSeal } from "../../../../src/smb/crypto/ccm.ts";
import { Cmac } from "../../../../src/smb/crypto/cmac.ts";
import { KeyUse, sessionKey30 } from "../../../../src/smb/crypto/kdf.ts";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
const key = (text: string) => createSecretKey(hex(text));

describe("AES-CMAC gives the codes of RFC 4493 §4", () => {
  const cmac = new Cmac(key("2b7e151628aed2a6abf7158809cf4f3c"));
  const message = hex(`6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`);
  const codes: readonly [number, string][] = [
    [0, "bb1d6929e95937287fa37d129b756746"],
    [16, "070a16b46b4d4144f79bdd9dd04a287c"],
    [40, "dfa66747de9ae63030ca32611497c827"],
    [64, "51f0bebf7e3b9d92fc49741779363cfe"],
  ];
  for (const [length, code] of codes) {
    test(`of ${length} bytes, however they are cut into pieces`, () => {
      for (let a = 0; a <= length; a += 3) {
        for (let b = a; b <= length; b += 5) {
          const pieces = [message.subarray(0, a), message.subarray(a, b), message.subarray(b, length)];
          expect(Buffer.from(cmac.of(pieces)).toString("hex")).toBe(code);
        }
      }
    });
  }
});

describe("AES-CCM", () => {
  const k = key("404142434445464748494a4b4c4d4e4f");
  const nonce = hex("101112131415161718191a");
  const aad = hex("000102030405060708090a0b0c0d0e0f10111213");

  test("opens what it sealed, whatever the lengths, and gives nothing away once a bit is changed", () => {
    for (const bits of [128, 256] as const) {
      const secret = bits === 128 ? k : key("40".repeat(32));
      for (const length of [0, 1, 15, 16, 17, 64, 1000]) {
        const plain = new Uint8Array(length).map((_, i) => i * 7);
        const { text, tag } = ccmSeal(bits, secret, nonce, aad, plain);
        expect(text.length).toBe(length);
        expect(ccmOpen(bits, secret, nonce, aad, text, tag)).toEqual(Buffer.from(plain));
        for (const part of [text, tag, aad, nonce]) {
          if (part.length === 0) continue;
          part[part.length - 1]! ^= 1;
          expect(ccmOpen(bits, secret, nonce, aad, text, tag)).toBeNull();
          part[part.length - 1]! ^= 1;
        }
        expect(ccmOpen(bits, secret, nonce, aad, text, tag.subarray(0, 15))).toBeNull();
      }
    }
  });

  test("is the CCM that OpenSSL computes (made with its own command for these very inputs)", () => {
    const plain = hex("202122232425262728292a2b2c2d2e2f3031323334353637");
    const { text, tag } = ccmSeal(128, k, nonce, aad, plain);
    expect(Buffer.from(text).toString("hex") + Buffer.from(tag).toString("hex")).toBe("d6d28b1b24b85b4ffbe0998809dab62e35428a3cca41bdc8c8b439bff187669acf5b3a26ab35e946");
  });
});

test("a signing key of SMB 3.0 is the one Microsoft publishes for this session key", () => {
  const made = sessionKey30(hex("7cd451825d0450d235424e44ba6e78cc"), KeyUse.signing);
  expect(Buffer.from(made).toString("hex")).toBe("0b7e9c5cac36c0f6ea9ab275298cedce");
});
