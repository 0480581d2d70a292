import { fileHandleBytes } from "#model/file-handle.ts";
import type { FsError } from "#model/fs-error.ts";
import type { SharePolicy } from "./access/policy.ts";
import { type Absence, AbsentShares } from "./absent-shares.ts";
import { badHandle, jukebox, stale } from "./errors.ts";
import type { FileSystem, Located, Shares } from "./file-system.ts";
import { word } from "./handle-words.ts";
import { RemovedShares } from "./removed-shares.ts";
import type { Share } from "./share.ts";

const instanceAt = 4;
const instanceBytes = 8;
const idAt = 16;

/** The server's shares, which come and go while it serves: the next look-up sees it. */
export class ShareTable implements Shares {
  private readonly named = new Map<string, Share>();
  /** By the first word of the instance; two shares may meet there. */
  private readonly byInstance = new Map<number, Share[]>();

  private readonly removed = new RemovedShares();
  readonly absent = new AbsentShares();

  constructor(shares: readonly Share[] = []) {
    for (const share of shares) this.add(share);
  }

  add(share: Share): void {
    if (this.named.has(share.name)) throw new Error(`there are two shares named ${share.name}`);
    this.named.set(share.name, share);
    this.forget(share.name, share.store.identity.instance);
    const key = word(share.store.identity.instance, 0);
    this.byInstance.set(key, [...(this.byInstance.get(key) ?? []), share]);
  }

  /**
   * Takes the share out and gives it: no new request reaches it. Its handles are stale, unless it is still wanted (`why` not null) and absent. Before
   * its stores are closed it has to be drained.
   */
  remove(name: string, why: Absence | null = null): Share | undefined {
    const share = this.named.get(name);
    if (share === undefined) return undefined;
    this.named.delete(name);
    const key = word(share.store.identity.instance, 0);
    const rest = (this.byInstance.get(key) ?? []).filter((other) => other !== share);
    if (rest.length === 0) this.byInstance.delete(key);
    else this.byInstance.set(key, rest);
    const { identity } = share.store;
    if (why === null) this.removed.add(identity);
    else this.absent.put({ name, policy: share.policy, why, instance: identity.instance, identity });
    return share;
  }

  /** A share that is wanted could not be opened. `instance`: as an AbsentShare has it; one that was served since the start is known already. */
  lacks(name: string, policy: SharePolicy, instance: Uint8Array | null, why: Absence): void {
    const known = this.absent.byName(name)?.identity ?? null;
    const same = known !== null && (instance === null || instance.length === 0 || sameBytes(known.instance, instance));
    if (known !== null && !same) this.removed.add(known);
    this.absent.put({ name, policy, why, instance: same ? known.instance : instance, identity: same ? known : null });
  }

  /** Of the absent, those that `keep` none of are wanted no more. */
  keepAbsent(keep: (name: string) => SharePolicy | null): void {
    for (const share of this.absent.list()) {
      const policy = keep(share.name);
      if (policy === null) this.forget(share.name, null);
      else if (policy !== share.policy) this.absent.put({ ...share, policy });
    }
  }

  /** An absent share is no longer that: it is what has this instance now, or nothing is. */
  private forget(name: string, instance: Uint8Array | null): void {
    const before = this.absent.take(name)?.identity ?? null;
    if (before !== null && (instance === null || !sameBytes(before.instance, instance))) this.removed.add(before);
  }

  /** Puts a share in the place of the one with its name, and gives that one, to be drained; undefined: there was none. */
  replace(share: Share): Share | undefined {
    const before = this.remove(share.name);
    this.add(share);
    return before;
  }

  byName(name: string): FileSystem | undefined {
    return this.named.get(name);
  }

  list(): readonly FileSystem[] {
    return [...this.named.values()];
  }

  locate(bytes: Uint8Array, offset: number, length: number): Located | FsError {
    if (length !== fileHandleBytes || offset < 0 || offset + length > bytes.length) return badHandle;
    const key = word(bytes, offset + instanceAt);
    const shares = this.byInstance.get(key);
    if (shares === undefined) return this.unknown(key, bytes, offset);
    const id = word(bytes, offset + idAt) * 2 ** 32 + word(bytes, offset + idAt + 4);
    for (let i = 0; i < shares.length; i++) {
      const share = shares[i] as Share;
      if (isOf(share, bytes, offset + instanceAt)) return share.locate(id, bytes, offset);
    }
    return this.unknown(key, bytes, offset);
  }

  private unknown(key: number, bytes: Uint8Array, offset: number): FsError {
    const absent = this.absent.outcomeOf(bytes, offset);
    if (absent !== null) return absent;
    if (this.removed.made(key, bytes, offset)) return stale;
    return this.absent.anybodys ? jukebox : badHandle;
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function isOf(share: Share, bytes: Uint8Array, at: number): boolean {
  const instance = share.store.identity.instance;
  for (let i = 4; i < instanceBytes; i++) if (bytes[at + i] !== instance[i]) return false;
  return true;
}
