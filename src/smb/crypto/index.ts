/** Keys, signatures and encryption of SMB messages (MS-SMB2 3.1.4, 3.1.5): built on node:crypto, but for the hash of short messages, and proven by published vectors. */
export { KeyUse, sessionKey30, sessionKey311 } from "./kdf.ts";
export { cipherKeyBytes, Sealer } from "./sealing.ts";
export { Signer } from "./signing.ts";
