import type { Random } from "#base/random.ts";

/** 32 signs that are not taken for each other when read aloud or typed off a screen: no l, o, 0, 1. */
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
const groups = 4;
const groupSigns = 5;

/** A password of 100 random bits: `xxxxx-xxxxx-xxxxx-xxxxx`. */
export function generatePassword(random: Random): string {
  const bytes = random.bytes(groups * groupSigns);
  // 256 is a multiple of 32, so every sign is equally likely.
  const signs = Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join("");
  return Array.from({ length: groups }, (_, i) => signs.slice(i * groupSigns, (i + 1) * groupSigns)).join("-");
}
