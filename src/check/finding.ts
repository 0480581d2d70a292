/** What a check says of something: damage harms whoever reads, lists or stores; a notice only costs room. */
export type Severity = "damage" | "notice";

/** Every kind of finding; stable, for programs. */
export const FindingKind = {
  unreadableMetadata: "unreadable_metadata",
  rootMissing: "root_missing",
  badInode: "bad_inode",
  badName: "bad_name",
  badCookie: "bad_cookie",
  nameWithoutFile: "name_without_file",
  nameWithoutDirectory: "name_without_directory",
  lostFile: "lost_file",
  directoryLoop: "directory_loop",
  wrongLinks: "wrong_links",
  wrongParent: "wrong_parent",
  wrongFold: "wrong_fold",
  wrongFlags: "wrong_flags",
  attributeWithoutFile: "attribute_without_file",
  manyNames: "directory_with_many_names",
  wrongOrphan: "wrong_orphan",
  extentWithoutFile: "extent_without_file",
  badExtent: "bad_extent",
  overlappingExtents: "overlapping_extents",
  extentPastEnd: "extent_past_end",
  extentOutsidePack: "extent_outside_pack",
  packRowMissing: "pack_row_missing",
  badPack: "bad_pack",
  wrongUsed: "wrong_used",
  wrongLive: "wrong_live",
  wrongUsage: "wrong_usage",
  wrongSequence: "wrong_sequence",
  objectMissing: "object_missing",
  objectSize: "object_size",
  objectDamaged: "object_damaged",
  footerDamaged: "footer_damaged",
  contentDamaged: "content_damaged",
  objectWithoutPack: "object_without_pack",
  pendingPack: "pending_pack",
  damagedLog: "damaged_log",
  unreferencedPack: "unreferenced_pack",
  unreferencedObject: "unreferenced_object",
} as const;
export type FindingKind = (typeof FindingKind)[keyof typeof FindingKind];

export interface Finding {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** A whole sentence for whoever has to do something about it. */
  readonly message: string;
  /** As clients see it, from the share's root; null: it has none, or it is not about a file. */
  readonly path: string | null;
  readonly file: number | null;
  readonly pack: number | null;
  /** Of the object in the block store. */
  readonly key: string | null;
  /** The bytes of the file that are touched, `from` up to and without `to`. */
  readonly from: number | null;
  readonly to: number | null;
  /** It was put right, and looked for again. */
  readonly repaired: boolean;
}

type Given = Pick<Finding, "kind" | "message"> & Partial<Finding>;

export function finding(given: Given): Finding {
  return { severity: "damage", path: null, file: null, pack: null, key: null, from: null, to: null, repaired: false, ...given };
}

/** The same damage, found a second time: its path may be another by then. */
export function identityOf(f: Finding): string {
  return `${f.kind} ${f.file} ${f.pack} ${f.key} ${f.from} ${f.to}`;
}
