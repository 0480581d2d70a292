import { createHash } from "node:crypto";

/** NTOWFv1 of MS-NLMP 3.3.1: MD4 of the password in UTF-16LE, as 32 hexadecimal digits. What SMB clients prove they know: as good as the password. */
export function ntHashOf(password: string): string {
  return createHash("md4").update(Buffer.from(password, "utf16le")).digest("hex");
}
