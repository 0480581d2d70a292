import type { Identity, KnownUser, NamesGroups } from "#model/identity.ts";
import type { State } from "../state/index.ts";

/** Who is who, as of one moment. */
class IdentitySnapshot implements Identity, NamesGroups {
  readonly users: readonly KnownUser[];
  private readonly byUid = new Map<number, KnownUser>();
  private readonly byName = new Map<string, KnownUser>();
  /** Groups that have members. */
  private readonly groups = new Map<number, string>();
  private readonly gids = new Map<string, number>();

  constructor(users: readonly KnownUser[]) {
    this.users = users;
    for (const user of users) {
      this.byUid.set(user.uid, user);
      this.byName.set(user.name, user);
      for (let i = 0; i < user.groups.length; i++) {
        this.groups.set(user.groups[i]!, user.groupNames[i]!);
        this.gids.set(user.groupNames[i]!, user.groups[i]!);
      }
    }
  }

  userByUid(uid: number): KnownUser | null {
    return this.byUid.get(uid) ?? null;
  }

  userByName(name: string): KnownUser | null {
    return this.byName.get(name) ?? null;
  }

  groupName(gid: number): string | null {
    return this.groups.get(gid) ?? null;
  }

  gidOfGroup(name: string): number | null {
    return this.gids.get(name) ?? null;
  }
}

/** Keeps the snapshot of a state: another object only when something of it changed, as policies hold on to it. */
export class Identities {
  private readonly state: State;
  private snapshot = new IdentitySnapshot([]);
  private builtFrom = "";

  constructor(state: State) {
    this.state = state;
  }

  current(): IdentitySnapshot {
    const { users, groups, memberships } = this.state;
    const from = `${users.changes} ${groups.changes} ${memberships.changes}`;
    if (from === this.builtFrom) return this.snapshot;
    const known = users.all().map((user): KnownUser => {
      const groupsOf = memberships.in("userId", user.id).flatMap((membership) => groups.get(membership.groupId) ?? []);
      groupsOf.sort((a, b) => a.gid - b.gid);
      return { name: user.name, uid: user.uid, gid: user.gid, groups: groupsOf.map(({ gid }) => gid), groupNames: groupsOf.map(({ name }) => name), enabled: user.enabled };
    });
    // A new password or e-mail address is no new identity.
    if (!Bun.deepEquals(known, this.snapshot.users)) this.snapshot = new IdentitySnapshot(known);
    this.builtFrom = from;
    return this.snapshot;
  }
}
