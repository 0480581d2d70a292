import { ControlError } from "../errors.ts";

const passwordCharactersMin = 8;
/**
 * bcrypt reads 72 bytes. What other programs cut off without a word, `Bun.password` hashes with SHA-512 first: neither is what
 * somebody expects of a hash that may have to be checked elsewhere one day. A longer password is refused instead.
 */
const passwordBytesMax = 72;

/** Whether it may be compared with a hash at all; the least length is a rule for new passwords only, which may become stricter. */
export function comparable(password: string): boolean {
  return password !== "" && Buffer.byteLength(password, "utf8") <= passwordBytesMax && !password.includes("\0") && password.isWellFormed();
}

/** Why `password` can't be one, or null. U+0000 ends a password in other implementations of bcrypt; half a surrogate pair has no UTF-8. */
export function passwordFault(password: string): string | null {
  if (Array.from(password).length < passwordCharactersMin) return `must have ${passwordCharactersMin} characters at least`;
  if (Buffer.byteLength(password, "utf8") > passwordBytesMax) return `must have ${passwordBytesMax} bytes at most (letters outside ASCII count for two to four)`;
  if (password.includes("\0")) return "must not contain the character U+0000";
  if (!password.isWellFormed()) return "must be valid Unicode";
  return null;
}

/** Throws `invalid_value` under the name of the field the password came in. */
export function checkPassword(password: string, field = "password"): void {
  const fault = passwordFault(password);
  if (fault !== null) throw new ControlError("invalid_value", `The password ${fault}.`, { fields: [{ field, message: fault }] });
}
