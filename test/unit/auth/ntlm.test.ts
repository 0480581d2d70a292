import { expect, test } from "bun:test";
import { beginNtlm, claimOf, NoClaim, type NtlmClaim, ntHashOf, ntlmV2Key, proveNtlm } from "../../../src/auth/ntlm.ts";
import { createHmac } from "node:crypto";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("keys are those of MS-NLMP 4.2.4", () => {
  const hash = ntHashOf("Password");
  expect(hex(hash)).toBe("a4f49c406510bdcab6824ee7c30fd852");
  expect(hex(ntlmV2Key(hash, "User", "Domain"))).toBe("0c868a403bfd7a93a3001ef22ef02e3f");
});

/** An AUTHENTICATE_MESSAGE for `user` by MS-NLMP 3.3.2, its MIC left out. */
function authenticate(user: string, domain: string, ntResponse: Uint8Array, flags: number): Uint8Array {
  const names = [Buffer.from(domain, "utf16le"), Buffer.from(user, "utf16le"), Buffer.from("HOST", "utf16le")];
  const parts: Uint8Array[] = [new Uint8Array(24), ntResponse, ...names, new Uint8Array(0)];
  const total = parts.reduce((sum, part) => sum + part.length, 88);
  const message = Buffer.alloc(total);
  message.write("NTLMSSP\0", "latin1");
  message.writeUInt32LE(3, 8);
  let at = 88;
  parts.forEach((part, i) => {
    message.writeUInt16LE(part.length, 12 + i * 8);
    message.writeUInt16LE(part.length, 14 + i * 8);
    message.writeUInt32LE(at, 16 + i * 8);
    message.set(part, at);
    at += part.length;
  });
  message.writeUInt32LE(flags, 60);
  return message;
}

test("a response with the right password proves the claim, any other password or challenge does not", () => {
  const challenge = Uint8Array.fromHex("0123456789abcdef");
  const exchange = beginNtlm(new Uint8Array(32), 0, challenge, { netbios: "SERVER", dns: "server" }, new Uint8Array(8));
  const blob = Buffer.concat([Uint8Array.fromHex("0101000000000000"), new Uint8Array(8), Uint8Array.fromHex("aaaaaaaaaaaaaaaa"), new Uint8Array(4), Uint8Array.fromHex("02000c0044006f006d00610069006e00" + "01000c00530065007200760065007200" + "00000000"), new Uint8Array(4)]);
  const key = ntlmV2Key(ntHashOf("Password"), "User", "Domain");
  const proof = createHmac("md5", key).update(challenge).update(blob).digest();
  // MS-NLMP 4.2.4.2.2 and 4.2.4.1.2, whose target information this is.
  expect(hex(proof)).toBe("68cd0ab851e51c96aabc927bebef6a1c");
  const claim = claimOf(authenticate("User", "Domain", Buffer.concat([proof, blob]), 1)) as NtlmClaim;
  expect(claim.anonymous).toBeFalse();
  expect(hex(proveNtlm(exchange, claim, ntHashOf("Password"))!.sessionKey)).toBe("8de40ccadbc14a82f15cb0ad0de95ca3");
  expect(proveNtlm(exchange, claim, ntHashOf("password"))).toBeNull();
  const other = beginNtlm(new Uint8Array(32), 0, Uint8Array.fromHex("0123456789abcdee"), { netbios: "SERVER", dns: "server" }, new Uint8Array(8));
  expect(proveNtlm(other, claim, ntHashOf("Password"))).toBeNull();
});

test("an NTLMv1 or LM response is no claim at all", () => {
  expect(claimOf(authenticate("User", "Domain", new Uint8Array(24), 1))).toBe(NoClaim.outdated);
  expect(claimOf(authenticate("User", "Domain", new Uint8Array(0), 1))).toBe(NoClaim.outdated);
});

test("a response whose pairs don't end is malformed, whoever it is of", () => {
  expect(claimOf(authenticate("User", "Domain", new Uint8Array(95).fill(0xab), 1))).toBe(NoClaim.malformed);
  expect(claimOf(new Uint8Array(70))).toBe(NoClaim.malformed);
});
