import { type Core, newId } from "../core.ts";
import { tables } from "../database/tables.ts";
import { ControlError } from "../errors.ts";
import { Role } from "../nouns.ts";
import { type HashedPassword, generatePassword, passwordFault, type Passwords } from "../passwords/index.ts";
import type { Random } from "#base/random.ts";
import type { Keyring } from "../secrets/index.ts";
import { adapterTypes, defaultOf } from "../server/index.ts";
import { defaultStore } from "../storage/index.ts";
import type { Draft } from "../state/index.ts";
import { draftShares, type FileShare } from "./import-shares.ts";

/** The note that says that the configuration file's shares were taken over, and which. */
const importedNote = "imported";
/** Whom the audit log names for what nobody asked for. */
const systemActor = { name: "system", address: "" } as const;

export const adminName = "admin";
/**
 * An administrator of the control plane is nobody's Unix account: a number that no distribution and no container range hands out, so
 * that the first ordinary user (1000) is not taken for the admin over NFS.
 */
const adminUid = 1_900_000_000;

/** The admin that was just made; its password is shown once and kept nowhere. */
export interface FirstAdmin {
  readonly name: string;
  readonly password: string;
  readonly generated: boolean;
}

export interface FirstStart {
  readonly admin: FirstAdmin;
  /** Names of the shares that were taken over from the configuration file. */
  readonly imported: readonly string[];
}

export interface FirstStartParts extends Core {
  readonly passwords: Passwords;
  readonly keyring: Keyring;
  readonly clientsByDefault: readonly string[];
  /** Given a password that was made here before it is stored: nobody else knows it. */
  readonly keepPassword: (password: string) => void;
}

/** Fills a database in which nothing was ever changed; null where somebody did that before, another node a moment ago maybe. */
export async function firstStart(parts: FirstStartParts, shares: readonly FileShare[], givenPassword: string | null): Promise<FirstStart | null> {
  const { state, random, changes } = parts;
  if (state.revision > 0) return null;
  const fault = givenPassword === null ? null : passwordFault(givenPassword);
  if (fault !== null) throw new ControlError("invalid_value", `The first password of ${adminName} (admin.initial_password) ${fault}.`);
  const password = givenPassword ?? generatePassword(random);
  if (givenPassword === null) parts.keepPassword(password);
  const hashed = await parts.passwords.hash(password);
  const imported = shares.map(({ name }) => name);
  const done = await changes.run({
    actor: systemActor,
    action: "server.first_start",
    target: { type: "server", name: "control plane" },
    view: () => (state.users.size === 0 ? null : { users: [adminName], imported, stores: [...state.metadataStores.all(), ...state.blockStores.all()].map(({ name, type }) => ({ name, type })), adapters: adapterTypes }),
    notes: { [importedNote]: JSON.stringify(imported) },
    make: (draft) => {
      if (state.revision > 0) return;
      draftBuiltIn(parts, draft);
      draftAdmin(parts, draft, hashed, givenPassword === null);
      draftShares(parts, draft, shares);
    },
  });
  return done === null ? null : { admin: { name: adminName, password, generated: givenPassword === null }, imported };
}

function draftBuiltIn({ random }: { readonly random: Random }, draft: Draft): void {
  draft.insert(tables.metadataStores, { id: newId(random), name: defaultStore, type: "sqlite", config: {}, secrets: null });
  draft.insert(tables.blockStores, { id: newId(random), name: defaultStore, type: "filesystem", config: {}, secrets: null });
  for (const type of adapterTypes) {
    draft.insert(tables.adapters, { type, enabled: defaultOf(type, "enabled") as boolean, port: defaultOf(type, "port") as number, settings: {} });
  }
}

function draftAdmin({ random, keyring }: FirstStartParts, draft: Draft, { passwordHash, ntHash }: HashedPassword, mustChangePassword: boolean): void {
  const id = newId(random);
  draft.insert(tables.users, {
    id,
    name: adminName,
    passwordHash,
    ntHash: keyring.wrap(ntHash, `users/${id}/nt_hash`),
    uid: adminUid,
    gid: adminUid,
    email: "",
    displayName: "",
    role: Role.admin,
    enabled: true,
    mustChangePassword,
    sessionEpoch: 1,
  });
}
