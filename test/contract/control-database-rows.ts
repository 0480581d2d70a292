import type { Row } from "#control/database/columns.ts";
import type { Transaction } from "#control/database/port.ts";
import { adapters, audit, blockStores, grants, groups, memberships, metadataStores, netgroupMembers, netgroups, notes, sessions, settings, shareIdentities, shares, users } from "#control/database/tables.ts";

const common = { version: 1, createdAt: 1_700_000_000_000, updatedAt: 1_700_000_000_001 };

export function user(name: string, uid: number, more: Partial<Row<typeof users>> = {}): Row<typeof users> {
  return {
    id: `id-of-${name}`,
    name,
    passwordHash: "hash",
    ntHash: null,
    uid,
    gid: 100,
    email: "",
    displayName: "",
    role: "user",
    enabled: true,
    mustChangePassword: false,
    sessionEpoch: 0,
    ...common,
    ...more,
  };
}

export function group(name: string, gid: number): Row<typeof groups> {
  return { id: `id-of-${name}`, name, gid, description: "", ...common };
}

export function share(name: string, more: Partial<Row<typeof shares>> = {}): Row<typeof shares> {
  return {
    id: `id-of-${name}`,
    name,
    description: "",
    metadataStoreId: "m",
    blockStoreId: "b",
    metadataPath: "",
    blocksPath: "",
    durability: "local",
    readOnly: false,
    defaultPermission: "none",
    squash: "root",
    anonymousUid: 65534,
    anonymousGid: 65534,
    allowedClients: null,
    netgroups: [],
    protocols: { nfs: true, smb: true },
    manageGroups: false,
    rootMode: 0o1777,
    quotaBytes: null,
    scrubRate: null, smbEncryption: null, smbGuest: null, smbContinuouslyAvailable: null,
    quotaFiles: null,
    enabled: true,
    deletedAt: null,
    ...common,
    ...more,
  };
}

export function entry(at: number, more: Partial<Row<typeof audit>> = {}): Omit<Row<typeof audit>, "number"> {
  return { at, actor: "alice", address: "127.0.0.1", action: "user.create", targetType: "user", target: "bob", before: null, after: null, ...more };
}

/** Something in every table, with whatever is hard to keep: all of Unicode's planes, null, bounds, JSON in an order of its own. */
export async function fill(tx: Transaction): Promise<void> {
  await tx.insert(users, user("alice", 1000, { displayName: "Ælfrïc 'a\"b\\ \u{1f4be}\n\t\u0001", ntHash: "wrapped", enabled: false }));
  await tx.insert(users, user("bob", Number.MAX_SAFE_INTEGER, { createdAt: Number.MIN_SAFE_INTEGER }));
  await tx.insert(groups, group("staff", 50));
  await tx.insert(memberships, { groupId: "id-of-staff", userId: "id-of-alice" });
  await tx.insert(metadataStores, { id: "m", name: "m", type: "sqlite", config: { z: 1, a: [true, null, { "10": "x", "9": "\u0000" }] }, secrets: null, ...common });
  await tx.insert(blockStores, { id: "b", name: "b", type: "filesystem", config: {}, secrets: "wrapped", ...common });
  await tx.insert(shares, share("/export", { allowedClients: ["10.0.0.0/8", "::/0"], netgroups: ["n"], quotaBytes: 2 ** 52, deletedAt: 5 }));
  await tx.insert(shares, share("/empty"));
  await tx.insert(shareIdentities, { shareId: "id-of-/export", instance: "0123456789abcdef" });
  await tx.insert(grants, { shareId: "id-of-/export", subjectType: "user", subjectId: "id-of-bob", level: "read-write" });
  await tx.insert(adapters, { type: "nfs", enabled: true, port: 2049, settings: { a: 0.1, b: -1e300 }, ...common });
  await tx.insert(settings, { key: "k", value: "", ...common });
  await tx.insert(netgroups, { id: "n", name: "n", description: "", ...common });
  await tx.insert(netgroupMembers, { id: "nm", netgroupId: "n", type: "cidr", value: "10.0.0.0/8" });
  await tx.insert(sessions, { id: "s", userId: "id-of-bob", tokenHash: "00", address: "::1", createdAt: 1, usedAt: 2, expiresAt: 3, revokedAt: null });
  for (let at = 1; at <= 5; at++) await tx.append(audit, entry(at, { before: at % 2 === 0 ? null : { at }, after: [at, "x"] }));
  await tx.insert(notes, { key: "revision", value: "7" });
}
