import { Refusal } from "./refusal.ts";

/** The ETag of a version: strong, so that it can be compared in If-Match (RFC 9110 §8.8.3). */
export function etagOf(version: number): string {
  return `"v${version}"`;
}

const entityTag = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;
const ours = /^v(\d{1,15})$/;
const tagsMax = 32;

/**
 * The version an If-Match asks for; null: any (`*`, or no header). Comparison is strong (RFC 9110 §13.1.1): a weak tag, or one that
 * was never ours, matches nothing and fails the condition.
 */
export function versionOf(header: string | null): number | null {
  if (header === null || header.trim() === "*") return null;
  const tags = header.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
  const parsed = tags.slice(0, tagsMax).map((tag) => entityTag.exec(tag));
  if (parsed.length === 0 || tags.length > tagsMax || parsed.includes(null)) {
    throw new Refusal("invalid_request", "If-Match is no list of entity tags.", { hint: 'Send the ETag as it was answered, with its quotes: If-Match: "v3".' });
  }
  const versions = parsed.flatMap((match) => {
    const number = match?.[1] === undefined ? ours.exec(match?.[2] ?? "")?.[1] : undefined;
    return number === undefined ? [] : [Number(number)];
  });
  const [version, ...others] = new Set(versions);
  if (version === undefined) {
    throw new Refusal("changed_meanwhile", "No entity tag in If-Match can match.", { hint: 'Read it again and send the ETag of that answer. A weak one (W/"…") never matches.' });
  }
  if (others.length > 0) throw new Refusal("invalid_request", "If-Match names several versions; this server takes one.");
  return version;
}
