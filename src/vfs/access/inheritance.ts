import { Ace, AceFlag, AceType, allRights, groupSid, SdControl, type SecurityDescriptor, type Sid, specificRights, userSid, WellKnown } from "#model/acl.ts";
import type { Owned } from "./security.ts";

const passesOn = AceFlag.objectInherit | AceFlag.containerInherit;

/**
 * The entries a new object takes over from its directory's list (MS-DTYP 2.5.3.4.2); null: none is meant for it. Creator owner and
 * group become the object's own; of a directory they stay beside that, for what is made in it.
 */
function inheritedEntries(parent: readonly Ace[], directory: boolean, owner: Sid, group: Sid, marks: number): Ace[] | null {
  const entries: Ace[] = [];
  for (const ace of parent) {
    if ((ace.flags & passesOn) === 0) continue;
    const noPropagate = (ace.flags & AceFlag.noPropagate) !== 0;
    const applies = (ace.flags & (directory ? AceFlag.containerInherit : AceFlag.objectInherit)) !== 0;
    const onward = directory && !noPropagate ? ace.flags & passesOn : 0;
    if (!applies && onward === 0) continue;
    const sid = ace.sid === WellKnown.creatorOwner ? owner : ace.sid === WellKnown.creatorGroup ? group : ace.sid;
    const mask = specificRights(ace.mask);
    const replaced = sid !== ace.sid || mask !== ace.mask;
    const kept = ace.flags & ~(passesOn | AceFlag.noPropagate | AceFlag.inheritOnly | AceFlag.inherited);
    // What is for the object and what is for those in it are two entries where they differ.
    if (applies && !replaced) {
      entries.push(ace.with({ flags: kept | onward | marks }));
      continue;
    }
    if (applies) entries.push(ace.with({ flags: kept | marks, mask, sid }));
    if (onward !== 0) entries.push(ace.with({ flags: kept | onward | AceFlag.inheritOnly | marks }));
  }
  return entries.length === 0 ? null : entries;
}

/**
 * The descriptor of a new object in a directory that has one (MS-DTYP 2.5.3.4); null: nothing is inherited. Entries are marked as
 * inherited where the directory's own list is kept in step with what it came from.
 */
export function inheritedDescriptor(parent: SecurityDescriptor, owned: Owned, directory: boolean): SecurityDescriptor | null {
  const automatic = parent.control & SdControl.daclAutoInherited;
  const marks = automatic === 0 ? 0 : AceFlag.inherited;
  const { dacl } = parent;
  const entries = dacl === null ? null : inheritedEntries(dacl, directory, userSid(owned.uid), groupSid(owned.gid), marks);
  if (entries === null) return null;
  return { control: SdControl.daclPresent | automatic, owner: null, group: null, dacl: entries, sacl: null };
}

/** What an object gets whose directory has a descriptor and hands nothing on: its owner and the system may do everything. */
export function defaultDescriptor(owned: Owned): SecurityDescriptor {
  const dacl = [new Ace(AceType.allowed, 0, allRights, userSid(owned.uid)), new Ace(AceType.allowed, 0, allRights, WellKnown.system)];
  return { control: SdControl.daclPresent, owner: null, group: null, dacl, sacl: null };
}

/** A list as it is stored: generic rights made specific, except in entries that are for others to come. */
export function mappedEntries(aces: readonly Ace[]): readonly Ace[] {
  return aces.map((ace) => ((ace.flags & AceFlag.inheritOnly) === 0 && ace.type <= AceType.denied ? ace.with({ mask: specificRights(ace.mask) }) : ace));
}
