import type { Actor, Role, User } from "../nouns.ts";
import type { HashedPassword } from "../passwords/index.ts";
import type { LoginDirectory, LoginUser } from "../sessions/port.ts";
import type { State } from "../state/index.ts";
import type { UserService } from "./users.ts";
import type { AccessViews, UserRow } from "./views.ts";

/** The users as log-ins see them. */
export class Directory implements LoginDirectory {
  private readonly state: State;
  private readonly views: AccessViews;
  private readonly users: UserService;

  constructor(state: State, views: AccessViews, users: UserService) {
    this.state = state;
    this.views = views;
    this.users = users;
  }

  byName(name: string): LoginUser | null {
    return loginUser(this.state.users.by("name", name));
  }

  byId(id: string): LoginUser | null {
    return loginUser(this.state.users.get(id));
  }

  view(id: string): User | null {
    const row = this.state.users.get(id);
    return row === null ? null : this.views.user(row);
  }

  setPassword(actor: Actor, userId: string, hashed: HashedPassword, mustChange: boolean): Promise<void> {
    return this.users.storePassword(actor, userId, hashed, mustChange);
  }
}

function loginUser(row: UserRow | null): LoginUser | null {
  if (row === null) return null;
  const { id, name, enabled, passwordHash, mustChangePassword, sessionEpoch } = row;
  return { id, name, role: row.role as Role, enabled, passwordHash, mustChangePassword, sessionEpoch };
}
