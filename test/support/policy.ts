import { type Credentials, Squash } from "#model/credentials.ts";
import { AccessLevel, nobodyKnown } from "#model/identity.ts";
import { SharePolicy, type SharePolicyFields } from "#vfs/access/policy.ts";

/** A share that leaves everything to the files' modes, with some of it replaced. Open to this machine alone. */
export function policyOf(changes: Partial<SharePolicyFields> = {}): SharePolicy {
  return new SharePolicy({
    enabled: true,
    readOnly: false,
    squash: Squash.none,
    anonymousUid: 65534,
    anonymousGid: 65534,
    allowedClients: [],
    protocols: { nfs: true, smb: true },
    defaultPermission: AccessLevel.readWrite,
    grants: { users: new Map(), groups: new Map() },
    identity: nobodyKnown,
    manageGroups: false,
    ...changes,
  });
}

/** Clients from anywhere. */
export const everywhere: readonly string[] = ["0.0.0.0/0", "::/0"];

export const superuser: Credentials = { uid: 0, gid: 0, groups: [], superuser: true, access: AccessLevel.readWrite };
