/** What happened to an entry, numbered as SMB numbers it (MS-FSCC 2.7.1). */
export const Action = { added: 1, removed: 2, modified: 3, oldName: 4, newName: 5, streamAdded: 6, streamRemoved: 7, streamModified: 8 } as const;
export type Action = (typeof Action)[keyof typeof Action];

/** What of an entry a watch is told of, numbered as SMB numbers it (MS-SMB2 2.2.35). */
export const Concern = {
  fileName: 0x1,
  directoryName: 0x2,
  attributes: 0x4,
  size: 0x8,
  lastWrite: 0x10,
  lastAccess: 0x20,
  creation: 0x40,
  extendedAttributes: 0x80,
  security: 0x100,
  streamName: 0x200,
  streamSize: 0x400,
  streamWrite: 0x800,
} as const;
