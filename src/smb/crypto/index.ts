/**
 * Keys of a session, signatures and encryption of its messages (MS-SMB2 3.1.4). Rests on `node:crypto`; what that has not, CMAC and
 * CCM, is built here from its AES.
 */
export { deriveKey, KeyUse, sessionKey30, sessionKey311 } from "./kdf.ts";
export { cipherKeyBytes, Sealer } from "./sealing.ts";
export { Signer } from "./signing.ts";
