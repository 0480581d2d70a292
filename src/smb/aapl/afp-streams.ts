import { foldKey } from "#model/fold-key.ts";
import type { Inode } from "#model/inode.ts";
import type { FileFacts } from "#wire/fscc.ts";
import { streamFacts } from "../open/facts.ts";
import type { Open } from "../open/open.ts";

/*
 * Two streams stand for what HFS had, and are not quite streams for whoever asks for them: AFP_AfpInfo holds 60 bytes or is not there, and
 * AFP_Resource is there as long as it has content. No specification says so; it is what macOS' server and Samba's fruit do, with clients
 * of all kinds. What a Mac alone is shown is that a stream without content is none.
 */

/** What a stream is to a Mac. */
export const AppleStream = { none: 0, info: 1, resource: 2 } as const;
export type AppleStream = (typeof AppleStream)[keyof typeof AppleStream];

const kinds: ReadonlyMap<string, AppleStream> = new Map([
  ["afp_afpinfo", AppleStream.info],
  ["afp_resource", AppleStream.resource],
]);

/** What the stream of this name is, in any case of it. */
export function appleStream(name: string): AppleStream {
  return kinds.get(foldKey(name)) ?? AppleStream.none;
}

/** What the stream is that is open; of a file's own content none. */
export function openedAppleStream(open: Open): AppleStream {
  return open.id === open.ownerId || open.place === null ? AppleStream.none : appleStream(open.place.name);
}

/** An AFP_AfpInfo: "AFP" and 0, version 4, reserved 4, backed up at 4, Finder's information 32, ProDOS' 6, reserved 6. */
export const afpInfoBytes = 60;
export const finderInfoAt = 16;
export const finderInfoBytes = 32;
const header = Uint8Array.of(0x41, 0x46, 0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80);
/** The bytes of it that say what it is. */
const magicBytes = 8;

/** What is read where nobody wrote one: Finder knows nothing, and it was never backed up. */
export function emptyAfpInfo(): Uint8Array {
  const bytes = new Uint8Array(afpInfoBytes);
  bytes.set(header);
  return bytes;
}

export function isAfpInfo(bytes: Uint8Array): boolean {
  for (let i = 0; i < magicBytes; i++) if (bytes[i] !== header[i]) return false;
  return bytes.length === afpInfoBytes;
}

/** Whether Finder has nothing to say: such a one is deleted by being written. */
export function saysNothing(info: Uint8Array): boolean {
  for (let i = 0; i < finderInfoBytes; i++) if (info[finderInfoAt + i] !== 0) return false;
  return true;
}

/** Whether a stream that is stored counts as none, for a Mac (`apple`) or others. */
export function isHollow(name: string, { size }: Inode, apple: boolean): boolean {
  return appleStream(name) === AppleStream.info ? size !== afpInfoBytes : apple && size === 0;
}

/** What the open stream `name` of `owner` is described by. */
export function factsOfStream(owner: Inode, stream: Inode, name: string): FileFacts {
  const facts = streamFacts(owner, stream);
  return appleStream(name) === AppleStream.info ? { ...facts, endOfFile: afpInfoBytes } : facts;
}
