import { alreadyExists, checkVersion, Faults, idFault, nameFault, notFound, textFault } from "../checks.ts";
import { type Core, make, newId } from "../core.ts";
import { tables } from "../database/tables.ts";
import { ControlError } from "../errors.ts";
import type { Actor, Group } from "../nouns.ts";
import type { Groups, IfVersion } from "../services.ts";
import { freeGid } from "./numbers.ts";
import { removeGrants } from "./users.ts";
import type { AccessViews, GroupRow, UserRow } from "./views.ts";

export interface GroupsParts extends Core {
  readonly views: AccessViews;
}

export class GroupService implements Groups {
  private readonly parts: GroupsParts;

  constructor(parts: GroupsParts) {
    this.parts = parts;
  }

  list(): readonly Group[] {
    return this.parts.state.groups.all().map((row) => this.parts.views.group(row));
  }

  get(name: string): Group {
    return this.parts.views.group(this.row(name));
  }

  async create(actor: Actor, group: { readonly name: string; readonly gid?: number; readonly description?: string }): Promise<Group> {
    const { state, random } = this.parts;
    const { name, description = "" } = group;
    await this.change(actor, "create", name, (draft) => {
      const faults = new Faults();
      faults.check("name", nameFault(name));
      checkFields(faults, group);
      faults.refuse("group");
      if (state.groups.by("name", name) !== null) throw alreadyExists("group", name);
      this.checkGid(group.gid, null);
      draft.insert(tables.groups, { id: newId(random), name, gid: group.gid ?? freeGid(state), description });
    });
    return this.get(name);
  }

  async edit(actor: Actor, name: string, change: { readonly gid?: number; readonly description?: string }, ifVersion: IfVersion): Promise<Group> {
    await this.change(actor, "edit", name, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `group ${name}`);
      const faults = new Faults();
      checkFields(faults, change);
      faults.refuse(`group ${name}`);
      this.checkGid(change.gid, row);
      draft.update(tables.groups, row, change);
    });
    return this.get(name);
  }

  async delete(actor: Actor, name: string, ifVersion: IfVersion): Promise<void> {
    const { state } = this.parts;
    await this.change(actor, "delete", name, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `group ${name}`);
      removeGrants(this.parts, draft, "group", row.id);
      for (const { userId } of state.memberships.in("groupId", row.id)) {
        const user = state.users.get(userId);
        if (user !== null) draft.touch(tables.users, user);
      }
      draft.remove(tables.groups, row);
    });
  }

  async addMember(actor: Actor, name: string, userName: string): Promise<void> {
    const { state } = this.parts;
    await this.change(actor, "add_member", name, (draft) => {
      const row = this.row(name);
      const user = this.user(userName);
      if (state.memberships.get(row.id, user.id) !== null) throw new ControlError("already_exists", `${userName} is in group ${name} already.`);
      draft.insert(tables.memberships, { groupId: row.id, userId: user.id });
      draft.touch(tables.groups, row);
      draft.touch(tables.users, user);
    });
  }

  async removeMember(actor: Actor, name: string, userName: string, ifVersion: IfVersion): Promise<void> {
    const { state } = this.parts;
    await this.change(actor, "remove_member", name, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `group ${name}`);
      const user = this.user(userName);
      const membership = state.memberships.get(row.id, user.id);
      if (membership === null) throw new ControlError("not_found", `${userName} is not in group ${name}.`);
      draft.remove(tables.memberships, membership);
      draft.touch(tables.groups, row);
      draft.touch(tables.users, user);
    });
  }

  private change(actor: Actor, verb: string, name: string, draft: Parameters<typeof make>[1]["make"]): Promise<unknown> {
    return make(this.parts, { actor, action: `groups.${verb}`, target: { type: "group", name }, view: () => this.shown(name), make: draft });
  }

  private shown(name: string): Group | null {
    const row = this.parts.state.groups.by("name", name);
    return row === null ? null : this.parts.views.group(row);
  }

  private row(name: string): GroupRow {
    const { groups } = this.parts.state;
    const row = groups.by("name", name);
    if (row !== null) return row;
    throw notFound("group", name, groups.all().map((group) => group.name));
  }

  private user(name: string): UserRow {
    const { users } = this.parts.state;
    const row = users.by("name", name);
    if (row !== null) return row;
    throw notFound("user", name, users.all().map((user) => user.name));
  }

  private checkGid(gid: number | undefined, row: GroupRow | null): void {
    const other = gid === undefined ? null : this.parts.state.groups.by("gid", gid);
    if (other === null || other.id === row?.id) return;
    throw new ControlError("already_exists", `The gid ${gid} is that of group ${other.name}.`, { fields: [{ field: "gid", message: `is that of group ${other.name}` }] });
  }
}

function checkFields(faults: Faults, { gid, description }: { readonly gid?: number; readonly description?: string }): void {
  if (gid !== undefined) faults.check("gid", idFault(gid));
  if (description !== undefined) faults.check("description", textFault(description));
}
