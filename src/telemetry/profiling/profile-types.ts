/** What there is to be had, and in which unit. */
export const profileTypes = {
  /** Where the event loop's thread is, a hundred times a second, as long as it is in JavaScript. */
  cpu: "nanoseconds",
  /** Objects on the heap by class. */
  inuse_objects: "count",
  /** Resident memory by kind. */
  inuse_space: "bytes",
} as const;
export type ProfileType = keyof typeof profileTypes;

export function isProfileType(word: string): word is ProfileType {
  return Object.hasOwn(profileTypes, word);
}
