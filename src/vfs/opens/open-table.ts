import type { Clock } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { Cause, Cached, type Company, leaseGrant, oplockGrant } from "./caching.ts";
import { FileOpens } from "./file-opens.ts";
import { Lease, LeaseCounts, type LeaseHolder } from "./lease.ts";
import { OpenFile, type OpenRequest, type Place, samePlace } from "./open-file.ts";
import { attributesAlone, conflict, descriptorAlone } from "./share-modes.ts";

const sharing = FsError.of("sharing");
const deletePending = FsError.of("deletePending");
const invalid = FsError.of("invalid");

/** Names of a file that are being taken away. */
class Removal {
  count = 0;
  readonly decided: Promise<void>;
  over: () => void = () => {};

  constructor() {
    this.decided = new Promise((resolve) => (this.over = resolve));
  }
}

/** Every open of a share's files, whatever its protocol. `size` 0: nobody has anything open, and nothing else need be looked at. */
export class OpenTable {
  private readonly files = new Map<number, FileOpens>();
  private readonly leases = new Map<string, Lease>();
  /** Files whose last name is being taken away: nobody opens them meanwhile. */
  private readonly removing = new Map<number, Removal>();
  readonly leaseCounts: LeaseCounts = new LeaseCounts();
  /** Files whose last open is gone, and whose name goes with it. */
  private readonly deleting = new Map<number, FileOpens>();
  /** Names that went to another place so far: what was made of names before may be wrong. */
  moves = 0;
  private readonly clock: Clock;
  private readonly locked: (id: FileId) => boolean;

  /** `locked`: whether a range of the file is. */
  constructor(clock: Clock, locked: (id: FileId) => boolean) {
    this.clock = clock;
    this.locked = locked;
  }

  /** Files that are open. */
  get size(): number {
    return this.files.size;
  }

  of(id: FileId): FileOpens | null {
    return this.files.size === 0 ? null : (this.files.get(id) ?? null);
  }

  all(): Iterable<FileOpens> {
    return this.files.values();
  }

  /** The lease of this key. */
  lease(key: string): Lease | null {
    return this.leases.get(key) ?? null;
  }

  /**
   * Opens a file, or says why not: `sharing`, `deletePending`, or `invalid` for a lease key that another file has. A promise: others
   * have to give up what they cache first, or a name goes; when it resolves everything is to be looked at anew, the name included.
   */
  admit(id: FileId, request: OpenRequest, holder: LeaseHolder): OpenFile | FsError | Promise<void> {
    const removal = this.removing.size === 0 ? undefined : this.removing.get(id);
    if (removal !== undefined) return removal.decided;
    const file = this.files.get(id) ?? new FileOpens(id);
    if (file.deletion !== null && samePlace(file.deletion.place, request.place)) return deletePending;
    const key = request.caching?.key ?? null;
    const mine = key === null ? null : this.lease(key);
    if (mine !== null && mine.file !== file) return invalid;
    const access = request.access | request.momentary;
    const refused = conflicts(file, access, request.sharing, null);
    if (!attributesAlone(access) && breaks(file, request, access, refused, mine)) return file.change();
    if (refused) return sharing;
    const open = new OpenFile(file, request);
    this.grant(file, open, request, mine, holder);
    file.opens.push(open);
    this.files.set(id, file);
    return open;
  }

  /** What a listing of the directory shows has changed. Nobody waits until those who cache one know; `by`: the lease whose holder did it. */
  directoryChanged(id: number, by: string | null): void {
    const file = this.files.get(id);
    if (file === undefined) return;
    for (const lease of file.leases) if (lease.key !== by) lease.breakFor(Cause.directory, false);
  }

  /** Puts back an open that outlived the server, with what it cached: whatever else did was beside it before. */
  restore(id: FileId, request: OpenRequest, holder: LeaseHolder): OpenFile {
    const file = this.files.get(id) ?? new FileOpens(id);
    const open = new OpenFile(file, request);
    file.opens.push(open);
    this.files.set(id, file);
    const { caching } = request;
    if (caching === null) return open;
    const mine = caching.key === null ? null : this.lease(caching.key);
    if (mine !== null && mine.file !== file) return open;
    const lease = mine ?? new Lease(file, caching.key, holder, caching.state, caching.epoch, this.clock, this.leaseCounts);
    lease.state |= caching.state;
    lease.opens++;
    open.lease = lease;
    if (mine === null) file.add(lease);
    if (caching.key !== null) this.leases.set(caching.key, lease);
    return open;
  }

  /** Takes an open out; true where it was the last of its file. */
  remove(open: OpenFile): boolean {
    const { file, lease } = open;
    open.closed = true;
    const at = file.opens.indexOf(open);
    if (at >= 0) file.opens.splice(at, 1);
    if (lease !== null && --lease.opens === 0) this.forget(lease);
    if (file.opens.length === 0) this.files.delete(file.id);
    file.changed();
    return file.opens.length === 0;
  }

  /** A name of the file went to another place: its opens go with it. */
  renamed({ id, from, to }: { readonly id: FileId; readonly from: Place; readonly to: Place }): void {
    this.moves++;
    const file = this.files.get(id) ?? this.deleting.get(id);
    if (file === undefined) return;
    for (const open of file.opens) if (samePlace(open.place, from)) open.place = to;
    if (file.deletion !== null && samePlace(file.deletion.place, from)) file.deletion = { place: to, who: file.deletion.who };
  }

  /** The name `file.deletion` says is being taken away, until `endDeleting`: nobody opens the file meanwhile, and it follows whoever renames it. */
  beginDeleting(file: FileOpens): void {
    this.deleting.set(file.id, file);
    this.beginRemoving(file.id);
  }

  endDeleting(file: FileOpens): void {
    this.deleting.delete(file.id);
    this.endRemoving(file.id);
  }

  /** A name of the file is being taken away, until as many `endRemoving` as `beginRemoving`: whoever opens it waits until that is decided. */
  beginRemoving(id: FileId): void {
    const removal = this.removing.get(id) ?? new Removal();
    removal.count++;
    this.removing.set(id, removal);
  }

  endRemoving(id: FileId): void {
    const removal = this.removing.get(id);
    if (removal === undefined || --removal.count > 0) return;
    this.removing.delete(id);
    removal.over();
  }

  private forget(lease: Lease): void {
    const { file, key } = lease;
    file.drop(lease);
    if (key !== null) this.leases.delete(key);
    this.leaseCounts[key === null ? "oplocks" : "leases"]--;
    lease.drop();
  }

  /** Gives the open its oplock or lease, or its share of the lease its client has on the file. */
  private grant(file: FileOpens, open: OpenFile, request: OpenRequest, mine: Lease | null, holder: LeaseHolder): void {
    const { caching } = request;
    if (caching === null) return;
    const company = companyOf(file, mine, request.directory, this.locked(file.id));
    const { key, state: asked, epoch } = caching;
    const granted = key === null ? oplockGrant(asked, company) : leaseGrant(asked, company);
    if (mine !== null) {
      // Only a set that holds all of the present one is an upgrade, and it is granted whole or not (MS-SMB2 3.3.5.9.8).
      const wanted = request.directory ? asked & ~Cached.write : asked;
      if (!mine.breaking && (mine.state & wanted) === mine.state && granted === wanted && granted !== mine.state) mine.upgrade(granted);
      open.lease = mine;
      mine.opens++;
      return;
    }
    if (key === null && granted === Cached.none) return;
    const lease = new Lease(file, key, holder, granted, granted === Cached.none ? epoch : (epoch + 1) & 0xffff, this.clock, this.leaseCounts);
    open.lease = lease;
    lease.opens = 1;
    file.add(lease);
    if (key !== null) this.leases.set(key, lease);
  }
}

/** Whether opens of the file but `own` exclude such rights and sharing. */
export function conflicts(file: FileOpens, access: number, shares: number, own: OpenFile | null): boolean {
  const { opens } = file;
  for (let i = 0; i < opens.length; i++) {
    const open = opens[i]!;
    if (open !== own && conflict(access, shares, open.access, open.sharing)) return true;
  }
  return false;
}

/** Has others give up what an open takes; whether it has to wait for that. */
function breaks(file: FileOpens, request: OpenRequest, access: number, refused: boolean, mine: Lease | null): boolean {
  if (file.leases.length === 0) return false;
  const cause = refused ? Cause.sharing : request.overwrites ? Cause.overwrite : Cause.open;
  let waits = false;
  for (const lease of file.leases) {
    if (lease === mine) continue;
    if (lease.key !== null && descriptorAlone(access)) continue;
    if (lease.breakFor(cause, request.retried)) waits = true;
  }
  return waits;
}

function companyOf(file: FileOpens, mine: Lease | null, directory: boolean, locked: boolean): Company {
  let others = false;
  let written = false;
  let handleKept = false;
  let oplock = false;
  for (let i = 0; i < file.opens.length; i++) {
    const { lease, access } = file.opens[i]!;
    if (lease !== null && lease === mine) continue;
    if (lease !== null || !attributesAlone(access)) others = true;
    if (lease === null) continue;
    if ((lease.state & Cached.write) !== 0) written = true;
    if ((lease.state & Cached.handle) !== 0) handleKept = true;
    if (lease.key === null && lease.state !== Cached.none) oplock = true;
  }
  return { others, written, handleKept, oplock, locked, directory };
}
