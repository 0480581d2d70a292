import type { FileSystem } from "#vfs/file-system.ts";
import type { KnownUser } from "#model/identity.ts";
import type { SmbServer } from "../server.ts";

/** Whom guests and nobody are called. What they may do is the anonymous user's part, as each share has it. */
export const guest: KnownUser = { name: "guest", uid: 65_534, gid: 65_534, groups: [], groupNames: [], enabled: true };

/** Whether a share lets in whoever comes without a name. Never where its anonymous user is root. */
export function admitsGuests({ policy }: Pick<FileSystem, "policy">): boolean {
  return policy.enabled && policy.protocols.smb && policy.smb.guest && policy.anonymousUid !== 0;
}

export function guestsAllowed(server: SmbServer): boolean {
  return server.shares.list().some(admitsGuests) || server.shares.absent.returning.some(admitsGuests);
}
