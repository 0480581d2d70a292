import { createHmac } from "node:crypto";

const latin1 = (text: string): Uint8Array => Buffer.from(`${text}\0`, "latin1");

/** SP 800-108 in counter mode with HMAC-SHA256 and 32-bit counters (MS-SMB2 3.1.4.2); at most 32 bytes, so one round. */
function deriveKey(key: Uint8Array, label: Uint8Array, context: Uint8Array, bytes: 16 | 32): Uint8Array {
  const counter = new Uint8Array([0, 0, 0, 1]);
  const length = new Uint8Array([0, 0, (bytes * 8) >> 8, bytes * 8]);
  const made = createHmac("sha256", key).update(counter).update(label).update(new Uint8Array(1)).update(context).update(length).digest();
  return new Uint8Array(made.subarray(0, bytes));
}

/** What a session's keys are for; "server in" is what the client encrypts. */
export const KeyUse = { signing: "signing", serverIn: "serverIn", serverOut: "serverOut", application: "application" } as const;
export type KeyUse = (typeof KeyUse)[keyof typeof KeyUse];

/** Labels and contexts of dialects 3.0 and 3.0.2 (MS-SMB2 3.3.5.5.3); the spaces belong to them. */
const labels30: Record<KeyUse, readonly [label: string, context: string]> = {
  signing: ["SMB2AESCMAC", "SmbSign"],
  serverIn: ["SMB2AESCCM", "ServerIn "],
  serverOut: ["SMB2AESCCM", "ServerOut"],
  application: ["SMB2APP", "SmbRpc"],
};

/** Labels of 3.1.1, whose context is the preauthentication integrity hash. */
const labels311: Record<KeyUse, string> = {
  signing: "SMBSigningKey",
  serverIn: "SMBC2SCipherKey",
  serverOut: "SMBS2CCipherKey",
  application: "SMBAppKey",
};

/** A key of dialects 3.0 and 3.0.2 from the session key. */
export function sessionKey30(sessionKey: Uint8Array, use: KeyUse): Uint8Array {
  const [label, context] = labels30[use];
  return deriveKey(sessionKey, latin1(label), latin1(context), 16);
}

/** A key of dialect 3.1.1; 32 bytes where the cipher has 256 bits. */
export function sessionKey311(sessionKey: Uint8Array, use: KeyUse, preauthHash: Uint8Array, bytes: 16 | 32): Uint8Array {
  return deriveKey(sessionKey, latin1(labels311[use]), preauthHash, bytes);
}
