import { alreadyExists, checkVersion, Faults, idFault, meant, nameFault, notFound, oneOfFault, textFault } from "../checks.ts";
import { type Core, make, newId } from "../core.ts";
import { tables } from "../database/tables.ts";
import { ControlError } from "../errors.ts";
import { type Actor, Role, type User } from "../nouns.ts";
import { checkPassword, type HashedPassword, passwordFault, type Passwords } from "../passwords/index.ts";
import type { Keyring } from "../secrets/index.ts";
import type { IfVersion, NewUser, UserChange, Users } from "../services.ts";
import type { Change, Draft, State } from "../state/index.ts";
import { freeUid, ownGid } from "./numbers.ts";
import { AccessViews, type UserRow } from "./views.ts";

export interface UsersParts extends Core {
  readonly views: AccessViews;
  readonly passwords: Passwords;
  readonly keyring: Keyring;
  /** A user's password is another now. */
  readonly onPasswordSet: (user: string) => void;
}

/** The REST interface says "me" for whoever asks. */
const reservedNames = new Set(["me"]);

export class UserService implements Users {
  private readonly parts: UsersParts;

  constructor(parts: UsersParts) {
    this.parts = parts;
  }

  list(): readonly User[] {
    return this.parts.state.users.all().map((row) => this.parts.views.user(row));
  }

  get(name: string): User {
    return this.parts.views.user(this.row(name));
  }

  async create(actor: Actor, user: NewUser): Promise<User> {
    const { state, passwords } = this.parts;
    // Before the costly hash, and once more when it is made.
    this.checkNew(user);
    const hashed = await passwords.hash(user.password);
    const id = newId(this.parts.random);
    await make(this.parts, {
      actor,
      action: "users.create",
      target: { type: "user", name: user.name },
      view: () => this.shown(user.name),
      also: { password: "set" },
      make: (draft) => {
        this.checkNew(user);
        const uid = user.uid ?? freeUid(state);
        const { password: _password, groups = [], ...given } = user;
        const defaults = { gid: ownGid(state, uid), email: "", displayName: "", role: Role.user, enabled: true, mustChangePassword: false, sessionEpoch: 1 };
        draft.insert(tables.users, { ...defaults, ...given, uid, id, ...stored(this.parts.keyring, id, hashed) });
        for (const name of new Set(groups)) this.join(draft, id, name);
      },
    });
    return this.get(user.name);
  }

  async edit(actor: Actor, name: string, change: UserChange, ifVersion: IfVersion): Promise<User> {
    await make(this.parts, {
      actor,
      action: "users.edit",
      target: { type: "user", name },
      view: () => this.shown(name),
      make: (draft) => {
        const row = this.row(name);
        checkVersion(ifVersion, row, `user ${name}`);
        this.checkFields(change, row);
        const { groups, ...set } = change;
        this.keepAnAdmin(row, { role: row.role, enabled: row.enabled, ...set });
        const ended = (set.enabled === false && row.enabled) || (set.role !== undefined && set.role !== row.role);
        draft.update(tables.users, row, { ...set, ...(ended ? { sessionEpoch: row.sessionEpoch + 1 } : {}) });
        if (groups !== undefined) this.regroup(draft, row, groups);
      },
    });
    return this.get(name);
  }

  async delete(actor: Actor, name: string, ifVersion: IfVersion): Promise<void> {
    const { state } = this.parts;
    await make(this.parts, {
      actor,
      action: "users.delete",
      target: { type: "user", name },
      view: () => this.shown(name),
      make: (draft) => {
        const row = this.row(name);
        checkVersion(ifVersion, row, `user ${name}`);
        this.keepAnAdmin(row, null);
        removeGrants(this.parts, draft, "user", row.id);
        for (const { groupId } of state.memberships.in("userId", row.id)) touchGroup(this.parts, draft, groupId);
        draft.remove(tables.users, row);
      },
    });
  }

  async setPassword(actor: Actor, name: string, password: string, mustChange: boolean): Promise<void> {
    const { id } = this.row(name);
    checkPassword(password);
    await this.storePassword(actor, id, await this.parts.passwords.hash(password), mustChange);
  }

  /** Stores a password that is hashed already, and ends the user's sessions. */
  async storePassword(actor: Actor, id: string, hashed: HashedPassword, mustChange: boolean): Promise<void> {
    await make(this.parts, passwordChange(this.parts.state, this.parts.keyring, actor, id, hashed, mustChange));
    const user = this.parts.state.users.get(id);
    if (user !== null) this.parts.onPasswordSet(user.name);
  }

  private row(name: string): UserRow {
    const row = this.parts.state.users.by("name", name);
    if (row === null) throw this.missing(name);
    return row;
  }

  private missing(name: string): ControlError {
    return notFound(
      "user",
      name,
      this.parts.state.users.all().map((user) => user.name),
    );
  }

  private shown(name: string): User | null {
    const row = this.parts.state.users.by("name", name);
    return row === null ? null : this.parts.views.user(row);
  }

  private checkNew(user: NewUser): void {
    const faults = new Faults();
    faults.check("username", nameFault(user.name) ?? (reservedNames.has(user.name) ? "is a word of the API; choose another name" : null));
    faults.check("password", passwordFault(user.password));
    faults.refuse(`user ${JSON.stringify(user.name.slice(0, 64))}`);
    this.checkFields(user, null);
    const folded = user.name.toLowerCase();
    const like = this.parts.state.users.all().find(({ name }) => name.toLowerCase() === folded);
    if (like !== undefined) throw alreadyExists("user", like.name, like.name === user.name ? undefined : "Names that differ only in upper and lower case are the same user to SMB clients.");
  }

  private checkFields(change: UserChange, row: UserRow | null): void {
    const { state } = this.parts;
    const faults = new Faults();
    const { uid, gid, email, displayName, role, groups } = change;
    if (uid !== undefined) faults.check("uid", idFault(uid));
    if (gid !== undefined) faults.check("gid", idFault(gid));
    if (email !== undefined) faults.check("email", textFault(email));
    if (displayName !== undefined) faults.check("display_name", textFault(displayName));
    if (role !== undefined) faults.check("role", oneOfFault(role, Object.values(Role)));
    const names = state.groups.all().map(({ name }) => name);
    groups?.forEach((name, i) => {
      if (!names.includes(name)) faults.add(`groups.${i}`, `there is no group ${JSON.stringify(name.slice(0, 64))}${meant(name, names)}`);
    });
    faults.refuse("user");
    const other = uid === undefined ? null : state.users.by("uid", uid);
    if (other !== null && other.id !== row?.id) {
      throw new ControlError("already_exists", `The uid ${uid} is that of user ${other.name}.`, { fields: [{ field: "uid", message: `is that of user ${other.name}` }] });
    }
  }

  /** Somebody must be left who can put things right. `next` null: the user goes. */
  private keepAnAdmin(row: UserRow, next: { readonly role: string; readonly enabled: boolean } | null): void {
    const isAdmin = (user: { readonly role: string; readonly enabled: boolean }) => user.role === Role.admin && user.enabled;
    if (!isAdmin(row) || (next !== null && isAdmin(next))) return;
    if (this.parts.state.users.all().some((user) => user.id !== row.id && isAdmin(user))) return;
    throw new ControlError("conflict", `${row.name} is the last admin who is enabled.`, { hint: "Make another user admin first." });
  }

  private regroup(draft: Draft, row: UserRow, names: readonly string[]): void {
    const { state } = this.parts;
    const wanted = new Set(names.flatMap((name) => state.groups.by("name", name)?.id ?? []));
    for (const membership of state.memberships.in("userId", row.id)) {
      if (wanted.delete(membership.groupId)) continue;
      draft.remove(tables.memberships, membership);
      touchGroup(this.parts, draft, membership.groupId);
      draft.touch(tables.users, row);
    }
    for (const groupId of wanted) {
      draft.insert(tables.memberships, { groupId, userId: row.id });
      touchGroup(this.parts, draft, groupId);
      draft.touch(tables.users, row);
    }
  }

  private join(draft: Draft, userId: string, name: string): void {
    const groupId = this.parts.state.groups.by("name", name)?.id;
    if (groupId === undefined) return;
    draft.insert(tables.memberships, { groupId, userId });
    touchGroup(this.parts, draft, groupId);
  }
}

/** A group shows its members: whoever changes them raises its version. */
function touchGroup({ state }: Core, draft: Draft, groupId: string): void {
  const row = state.groups.get(groupId);
  if (row !== null) draft.touch(tables.groups, row);
}

/** Takes away what a user or group was granted; the shares' versions stand for their grants. */
export function removeGrants({ state }: Core, draft: Draft, type: "user" | "group", id: string): void {
  for (const grant of state.grants.in("subjectId", id)) {
    if (grant.subjectType !== type) continue;
    draft.remove(tables.grants, grant);
    const share = state.shares.get(grant.shareId);
    if (share !== null) draft.touch(tables.shares, share);
  }
}

function stored(keyring: Keyring, id: string, { passwordHash, ntHash }: HashedPassword): HashedPassword {
  return { passwordHash, ntHash: keyring.wrap(ntHash, `users/${id}/nt_hash`) };
}

/** Gives a user a password that is hashed already, and ends the user's sessions. */
export function passwordChange(state: State, keyring: Keyring, actor: Actor, id: string, hashed: HashedPassword, mustChange: boolean): Change {
  const name = state.users.get(id)?.name ?? id;
  const views = new AccessViews(state);
  return {
    actor,
    action: "users.set_password",
    target: { type: "user", name },
    view: () => {
      const row = state.users.get(id);
      return row === null ? null : views.user(row);
    },
    also: { password: "set" },
    make: (draft) => {
      const row = state.users.get(id);
      if (row === null) throw notFound("user", name, []);
      draft.update(tables.users, row, { ...stored(keyring, id, hashed), mustChangePassword: mustChange, sessionEpoch: row.sessionEpoch + 1 });
    },
  };
}
