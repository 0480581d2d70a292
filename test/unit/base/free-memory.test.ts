import { expect, test } from "bun:test";
import { createCipheriv } from "node:crypto";
import { freeNow } from "#base/free-memory.ts";

test("memory an array has to itself is given back at once", () => {
  const bytes = new Uint8Array(64 * 1024);
  freeNow(bytes);
  expect(bytes.byteLength).toBe(0);
  const encrypted = createCipheriv("aes-256-gcm", new Uint8Array(32), new Uint8Array(12)).update(new Uint8Array(64 * 1024));
  freeNow(encrypted);
  expect(encrypted.byteLength).toBe(0);
});

test("what may lie in memory of others stays", () => {
  const small = Buffer.from("pooled");
  const part = new Uint8Array(new ArrayBuffer(64 * 1024), 1024);
  freeNow(small);
  freeNow(part);
  expect(small.toString()).toBe("pooled");
  expect(part.byteLength).toBe(63 * 1024);
});
