import type { Account, Accounts, KnownUser } from "#model/identity.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Row } from "../database/columns.ts";
import type { tables } from "../database/tables.ts";
import type { Keyring } from "../secrets/index.ts";
import type { State } from "../state/index.ts";
import type { Identities } from "./identity.ts";

type UserRow = Row<typeof tables.users>;

/** A user who has a password. Its hash is unwrapped when it is asked for and kept by nobody here. */
class UserAccount implements Account {
  readonly user: KnownUser;
  readonly mustChangePassword: boolean;
  readonly sessionEpoch: number;
  readonly #row: UserRow;
  readonly #unwrap: (row: UserRow) => Uint8Array | null;

  constructor(row: UserRow, user: KnownUser, unwrap: (row: UserRow) => Uint8Array | null) {
    this.user = user;
    this.mustChangePassword = row.mustChangePassword;
    this.sessionEpoch = row.sessionEpoch;
    this.#row = row;
    this.#unwrap = unwrap;
  }

  get ntHash(): Uint8Array | null {
    return this.#unwrap(this.#row);
  }

  isAs(other: UserAccount): boolean {
    return this.user === other.user && this.mustChangePassword === other.mustChangePassword && this.sessionEpoch === other.sessionEpoch && this.#row.ntHash === other.#row.ntHash;
  }
}

/** Who can log in, as of one moment. */
class AccountSnapshot implements Accounts {
  private readonly accounts: ReadonlyMap<string, UserAccount>;

  constructor(accounts: ReadonlyMap<string, UserAccount>) {
    this.accounts = accounts;
  }

  byName(name: string): Account | null {
    return this.accounts.get(folded(name)) ?? null;
  }

  isAs(accounts: ReadonlyMap<string, UserAccount>): boolean {
    if (accounts.size !== this.accounts.size) return false;
    for (const [name, account] of accounts) if (this.accounts.get(name)?.isAs(account) !== true) return false;
    return true;
  }
}

/** Keeps the snapshot of a state: another object only when something of it changed. */
export class KnownAccounts {
  private readonly state: State;
  private readonly identities: Identities;
  private readonly unwrap: (row: UserRow) => Uint8Array | null;
  private snapshot = new AccountSnapshot(new Map());
  private builtFrom = -1;
  private identity: unknown = null;

  constructor(state: State, identities: Identities, keyring: Keyring, logger: Logger) {
    this.state = state;
    this.identities = identities;
    this.unwrap = (row) => unwrapped(row, keyring, logger);
  }

  current(): Accounts {
    const { users } = this.state;
    const identity = this.identities.current();
    if (this.builtFrom === users.changes && this.identity === identity) return this.snapshot;
    const accounts = new Map<string, UserAccount>();
    for (const row of users.all()) {
      const user = identity.userByName(row.name);
      if (row.ntHash !== null && user !== null) accounts.set(folded(row.name), new UserAccount(row, user, this.unwrap));
    }
    if (!this.snapshot.isAs(accounts)) this.snapshot = new AccountSnapshot(accounts);
    this.builtFrom = users.changes;
    this.identity = identity;
    return this.snapshot;
  }
}

/** As users are told apart when they are made. */
function folded(name: string): string {
  return name.toLowerCase();
}

function unwrapped(row: UserRow, keyring: Keyring, logger: Logger): Uint8Array | null {
  try {
    return new Uint8Array(Buffer.from(keyring.unwrap(row.ntHash!, `users/${row.id}/nt_hash`), "hex"));
  } catch (error) {
    logger.error({ error, user: row.name }, "a user can't log in to SMB: set the password anew");
    return null;
  }
}
