import type { Row } from "../database/columns.ts";
import type { tables } from "../database/tables.ts";
import type { Group, Role, User } from "../nouns.ts";
import type { State } from "../state/index.ts";

export type UserRow = Row<typeof tables.users>;
export type GroupRow = Row<typeof tables.groups>;

/** Users and groups as they are shown. A row's version rises with its memberships, so what was made from a row is good as long as that is there. */
export class AccessViews {
  private readonly state: State;
  private readonly users = new WeakMap<UserRow, User>();
  private readonly groups = new WeakMap<GroupRow, Group>();

  constructor(state: State) {
    this.state = state;
  }

  user(row: UserRow): User {
    let user = this.users.get(row);
    if (user === undefined) this.users.set(row, (user = this.makeUser(row)));
    return user;
  }

  group(row: GroupRow): Group {
    let group = this.groups.get(row);
    if (group === undefined) this.groups.set(row, (group = this.makeGroup(row)));
    return group;
  }

  private makeUser(row: UserRow): User {
    const { name, uid, gid, email, displayName, enabled, mustChangePassword, version, createdAt, updatedAt } = row;
    const groups = this.state.memberships.in("userId", row.id).flatMap(({ groupId }) => this.state.groups.get(groupId)?.name ?? []);
    return Object.freeze({ name, uid, gid, email, displayName, role: row.role as Role, enabled, mustChangePassword, groups: groups.sort(), version, createdAt, updatedAt });
  }

  private makeGroup(row: GroupRow): Group {
    const { name, gid, description, version, createdAt, updatedAt } = row;
    const members = this.state.memberships.in("groupId", row.id).flatMap(({ userId }) => this.state.users.get(userId)?.name ?? []);
    return Object.freeze({ name, gid, description, members: members.sort(), version, createdAt, updatedAt });
  }
}
