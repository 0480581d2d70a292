import { u32 } from "#wire/le.ts";
import type { Tree } from "../tree/tree.ts";

export const aaplContext = "AAPL";

/** Commands: what the server can do; the path of a file's id is another, which we don't answer. */
const serverQuery = 1;
/** command 4, reserved 4, what is asked for 8, capabilities of the client 8 */
const queryBytes = 24;

/** What a query asks for; the answers follow in this order. */
const Asked = { serverCapabilities: 1, volumeCapabilities: 2, model: 4 } as const;
/** Listings that carry Finder's facts; whole files copied; the server knows owners and modes, and tells and takes them in access lists. */
const ServerCapability = { readDirAttributes: 1, copyFile: 2, unixBased: 4, nfsAces: 8 } as const;
/** F_FULLFSYNC reaches the disk: FLUSH always does. Names ignore case, so that bit (2) is not set. */
const VolumeCapability = { fullSync: 4 } as const;

/** What Finder draws the server as. */
const model = "MacSamba";

/**
 * The answer to an AAPL context; null for one that is no query we know. A client that can read our listings gets them on this tree from
 * now on.
 */
export function aaplAnswer(tree: Tree, asked: Uint8Array): Uint8Array | null {
  if (asked.length !== queryBytes || u32(asked, 0) !== serverQuery) return null;
  const wanted = u32(asked, 8) & (Asked.serverCapabilities | Asked.volumeCapabilities | Asked.model);
  const reads = (u32(asked, 16) & ServerCapability.readDirAttributes) !== 0;
  const name = Buffer.from(model, "utf16le");
  const parts: Buffer[] = [];
  if ((wanted & Asked.serverCapabilities) !== 0) {
    tree.appleClient = true;
    tree.appleListings = reads;
    const { copyFile, unixBased, nfsAces, readDirAttributes } = ServerCapability;
    parts.push(wide(copyFile | unixBased | nfsAces | (reads ? readDirAttributes : 0)));
  }
  if ((wanted & Asked.volumeCapabilities) !== 0) parts.push(wide(VolumeCapability.fullSync));
  if ((wanted & Asked.model) !== 0) parts.push(Buffer.alloc(4), narrow(name.length), name);
  return new Uint8Array(Buffer.concat([narrow(serverQuery), Buffer.alloc(4), wide(wanted), ...parts]));
}

function narrow(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function wide(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value);
  return bytes;
}
