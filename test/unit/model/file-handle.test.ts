import { expect, test } from "bun:test";
import { createCipheriv } from "node:crypto";
import { decodeFileHandle, encodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import { fileId } from "#model/ids.ts";

const instance = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
const key = new Uint8Array(32).map((_, index) => index * 7);
const parts = { epoch: 0, id: fileId(2 ** 40 + 5), generation: 9 };

test("a handle comes back as what it was made of", () => {
  const handle = encodeFileHandle(instance, key, parts);
  expect(handle.length).toBe(fileHandleBytes);
  expect(decodeFileHandle(instance, key, handle)).toEqual(parts);
});

test("its MAC is the last block of AES-128-CBC with a zero IV", () => {
  const handle = encodeFileHandle(instance, key, parts);
  const cbc = createCipheriv("aes-128-cbc", key.subarray(0, 16), new Uint8Array(16)).setAutoPadding(false);
  const message = new Uint8Array(32);
  message.set(handle.subarray(0, 28));
  expect([...handle.subarray(28)]).toEqual([...cbc.update(message).subarray(16)]);
});

test("a handle with any bit changed, cut, longer, of another share or key is none", () => {
  const handle = encodeFileHandle(instance, key, parts);
  for (let bit = 0; bit < fileHandleBytes * 8; bit++) {
    const forged = handle.slice();
    forged[bit >>> 3] = (forged[bit >>> 3] as number) ^ (1 << (bit & 7));
    expect(decodeFileHandle(instance, key, forged)).toBeNull();
  }
  for (let length = 0; length < fileHandleBytes; length++) expect(decodeFileHandle(instance, key, handle.subarray(0, length))).toBeNull();
  const longer = new Uint8Array(fileHandleBytes + 1);
  longer.set(handle);
  expect(decodeFileHandle(instance, key, longer)).toBeNull();
  expect(decodeFileHandle(instance.map((byte) => byte ^ 1), key, handle)).toBeNull();
  expect(decodeFileHandle(instance, key.map((byte) => byte ^ 1), handle)).toBeNull();
});
