/** The one set of outcomes that are not success. Each protocol owns a total map from it to its own codes. */
export const FsCode = {
  perm: "perm",
  noEntry: "noEntry",
  io: "io",
  access: "access",
  exists: "exists",
  crossDevice: "crossDevice",
  notDirectory: "notDirectory",
  isDirectory: "isDirectory",
  invalid: "invalid",
  fileTooBig: "fileTooBig",
  noSpace: "noSpace",
  readOnly: "readOnly",
  tooManyLinks: "tooManyLinks",
  nameTooLong: "nameTooLong",
  notEmpty: "notEmpty",
  quota: "quota",
  stale: "stale",
  badHandle: "badHandle",
  notSync: "notSync",
  badCookie: "badCookie",
  notSupported: "notSupported",
  badType: "badType",
  /** Somebody else has locked a part of the range. */
  locked: "locked",
  /** Somebody has the file open and does not share this use of it. */
  sharing: "sharing",
  /** It is deleted as soon as whoever has it open closes it. */
  deletePending: "deletePending",
  /** A read-only file, or a directory that has to stay. */
  cannotDelete: "cannotDelete",
  /** Try again later: it will heal. */
  jukebox: "jukebox",
} as const;
export type FsCode = (typeof FsCode)[keyof typeof FsCode];

/** An expected outcome that is not success: returned, never thrown. One frozen instance a code; tell it by `instanceof FsError`. */
export class FsError {
  readonly code: FsCode;
  private constructor(code: FsCode) {
    this.code = code;
    Object.freeze(this);
  }
  private static readonly all: Readonly<Record<FsCode, FsError>> = Object.fromEntries(
    Object.values(FsCode).map((code) => [code, new FsError(code)]),
  ) as Record<FsCode, FsError>;
  static of(code: FsCode): FsError {
    return FsError.all[code];
  }
}
