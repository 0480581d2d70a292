/** Access rights as MS-DTYP 2.4.3 and MS-SMB2 2.2.13.1 number them; only those that opens are judged by. */
export const Right = {
  readData: 0x1,
  writeData: 0x2,
  appendData: 0x4,
  execute: 0x20,
  readAttributes: 0x80,
  writeAttributes: 0x100,
  delete: 0x10000,
  readControl: 0x20000,
  synchronize: 0x100000,
} as const;

/** What an open lets others do meanwhile (MS-SMB2 2.2.13, ShareAccess). */
export const Sharing = { none: 0, read: 1, write: 2, delete: 4, all: 7 } as const;
