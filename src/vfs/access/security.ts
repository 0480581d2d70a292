import { Ace, AceFlag, AceType, allRights, Right, type SecurityDescriptor, SdControl, type Sid, Trustee, WellKnown } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";

/** Whose object is judged: what the owner's and group's SIDs of a stored descriptor stand for. */
export interface Owned {
  readonly uid: number;
  readonly gid: number;
}

/** What an owner may do whatever the list says, unless the list speaks of owners itself (MS-DTYP 2.5.3.2). */
const ownersOwn = Right.readControl | Right.writeDac;

/**
 * The rights a descriptor gives somebody (MS-DTYP 2.5.3.2), worked out once for all: a right is had if an entry allows it before
 * one denies it, which is what going through the list with any desired access comes to.
 */
export function judged(descriptor: SecurityDescriptor, owned: Owned, who: Credentials): number {
  const owns = isOwner(descriptor, owned, who);
  const { dacl } = descriptor;
  if (dacl === null) return allRights;
  let granted = 0;
  let refused = 0;
  let speaksOfOwners = false;
  for (let i = 0; i < dacl.length; i++) {
    const ace = dacl[i]!;
    if ((ace.flags & AceFlag.inheritOnly) !== 0) continue;
    if (ace.trustee === Trustee.ownerRights) speaksOfOwners = true;
    if (!isFor(ace, who, owns)) continue;
    if (ace.type === AceType.allowed) granted |= ace.mask & ~refused;
    // A condition can't be weighed here: who might be denied is, and who might be allowed is not.
    else if (ace.type === AceType.denied || ace.type === AceType.deniedCallback) refused |= ace.mask & ~granted;
  }
  if (owns && !speaksOfOwners) granted |= ownersOwn;
  return granted & allRights;
}

/** Whether `who` is the owner a descriptor has. */
export function isOwner(descriptor: SecurityDescriptor | undefined, owned: Owned, who: Credentials): boolean {
  const owner = descriptor === undefined ? null : descriptor.owner;
  return owner === null ? who.uid === owned.uid : holds(who, owner);
}

function isFor(ace: Ace, who: Credentials, owns: boolean): boolean {
  switch (ace.trustee) {
    case Trustee.everyone:
      return true;
    case Trustee.authenticated:
      return who.anonymous !== true;
    case Trustee.ownerRights:
      return owns;
    case Trustee.user:
      return ace.trusteeId === who.uid;
    case Trustee.group:
      return ace.trusteeId === who.gid || who.groups.includes(ace.trusteeId);
    // Administrators pass without being judged; nobody else is one.
    default:
      return false;
  }
}

/** Whether a SID is among those `who` goes by. */
export function holds(who: Credentials, sid: Sid): boolean {
  return isFor(new Ace(AceType.allowed, 0, 0, sid), who, false);
}

const nobodyElse: readonly number[] = [];

/**
 * The mode that NFS shows of an object with a descriptor. The group's bits are what anybody gets who is neither the owner nor
 * everybody, as with POSIX ACLs: a mode never hides a right, and "rwx------" means that nobody else has any.
 */
export function modeOf(descriptor: SecurityDescriptor, owned: Owned): number {
  const someone = (uid: number, groups: readonly number[]): Credentials => ({ uid, gid: -1, groups, superuser: false, access: "read-write" });
  const bits = (who: Credentials): number => shownBits(judged(descriptor, owned, who));
  // An owner may always change the list: that makes no writer of him.
  const owner = shownBits(judged(descriptor, owned, someone(owned.uid, [owned.gid])) & ~Right.writeDac);
  const other = bits(someone(-1, nobodyElse));
  let group = bits(someone(-1, [owned.gid]));
  for (const ace of descriptor.dacl ?? []) {
    if (ace.type !== AceType.allowed) continue;
    if (ace.trustee === Trustee.user && ace.trusteeId !== owned.uid) group |= bits(someone(ace.trusteeId, nobodyElse));
    else if (ace.trustee === Trustee.group) group |= bits(someone(-1, [ace.trusteeId]));
  }
  return (owner << 6) | (group << 3) | other;
}

/** Whatever changes an object, be it its name or who may change it. */
const changing = Right.writeData | Right.appendData | Right.deleteChild | Right.delete | Right.writeDac | Right.writeOwner;

/** Rights as a mode shows them: any that changes something as "w", so that what is not shown is not there. */
function shownBits(rights: number): number {
  return ((rights & Right.readData) !== 0 ? 4 : 0) | ((rights & changing) !== 0 ? 2 : 0) | ((rights & Right.execute) !== 0 ? 1 : 0);
}

/** Rights as the three bits that decide of READ, WRITE and their like. */
export function permissionBits(rights: number, directory: boolean): number {
  const write = directory ? Right.writeData | Right.deleteChild : Right.writeData;
  return ((rights & Right.readData) !== 0 ? 4 : 0) | ((rights & write) === write ? 2 : 0) | ((rights & Right.execute) !== 0 ? 1 : 0);
}

/** What three permission bits come to as rights. */
function rightsOfBits(bits: number, directory: boolean): number {
  let rights = Right.readAttributes | Right.readControl | Right.synchronize;
  // Nothing is executed here: who may read a program may run it on his machine, as far as this server can tell.
  if ((bits & 4) !== 0) rights |= directory ? Right.readData | Right.readEa : Right.readData | Right.readEa | Right.execute;
  if ((bits & 1) !== 0) rights |= Right.execute;
  const changes = directory ? 3 : 2;
  if ((bits & changes) === changes) rights |= Right.writeData | Right.appendData | Right.writeEa | Right.writeAttributes | Right.deleteChild;
  return rights;
}

/** What an owner has beside his bits: a chmod would give him the rest. */
const ownerRights = Right.readEa | Right.writeEa | Right.writeAttributes | Right.writeDac | Right.writeOwner | Right.delete;

/** The rights that permission bits give where no descriptor is stored. */
export function derivedRights(bits: number, directory: boolean, owner: boolean): number {
  return rightsOfBits(bits, directory) | (owner ? ownerRights : 0);
}

/**
 * The descriptor that says what a mode does. POSIX looks at the first class that matches and no further, so a class that has less
 * than a later one needs entries that deny.
 */
export function derivedDescriptor(mode: number, owned: Owned, directory: boolean): SecurityDescriptor {
  const owner = derivedRights((mode >> 6) & 7, directory, true);
  const group = derivedRights((mode >> 3) & 7, directory, false);
  const other = derivedRights(mode & 7, directory, false);
  const dacl: Ace[] = [];
  const user = `S-1-22-1-${owned.uid}`;
  const members = `S-1-22-2-${owned.gid}`;
  const ownerLacks = (group | other) & ~owner;
  const groupLacks = other & ~group;
  if (ownerLacks !== 0) dacl.push(new Ace(AceType.denied, 0, ownerLacks, user));
  dacl.push(new Ace(AceType.allowed, 0, owner, user));
  if (groupLacks !== 0) dacl.push(new Ace(AceType.denied, 0, groupLacks, members));
  dacl.push(new Ace(AceType.allowed, 0, group, members), new Ace(AceType.allowed, 0, other, WellKnown.everyone));
  return { control: SdControl.daclPresent, owner: null, group: null, dacl, sacl: null };
}

/** A descriptor as clients are shown it: with its owner and group. */
export function withOwners(descriptor: SecurityDescriptor, owned: Owned): SecurityDescriptor {
  const owner = descriptor.owner ?? `S-1-22-1-${owned.uid}`;
  return { ...descriptor, owner, group: descriptor.group ?? `S-1-22-2-${owned.gid}` };
}
